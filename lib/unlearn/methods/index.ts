/**
 * Methods that are a descent and nothing else: adding one is a file and a line here.
 *
 * @module
 */

import { altpo } from './altpo.ts';
import { ascent } from './ascent.ts';
import { ceu } from './ceu.ts';
import { dpo, idkdpo } from './direct-preference.ts';
import { eul } from './eul.ts';
import { finetune } from './finetune.ts';
import { graddiff } from './graddiff.ts';
import { gru } from './gru.ts';
import { mollm } from './mollm.ts';
import { ngdiff } from './ngdiff.ts';
import { npo } from './npo.ts';
import { pcgrad } from './pcgrad.ts';
import { pdu } from './pdu.ts';
import { po } from './po.ts';
import { simnpo } from './simnpo.ts';
import { uce } from './uce.ts';
import { undial } from './undial.ts';
import { satimp, wga } from './weighted-ascent.ts';

export const methods = [
  finetune,
  ascent,
  graddiff,
  po,
  npo,
  simnpo,
  idkdpo,
  dpo,
  altpo,
  uce,
  wga,
  satimp,
  undial,
  ceu,
  eul,
  pdu,
  mollm,
  gru,
  pcgrad,
  ngdiff,
] as const;
