/**
 * Methods that are a descent and nothing else: adding one is a file and a line here.
 *
 * @module
 */

import { ascent } from './ascent.ts';
import { finetune } from './finetune.ts';
import { graddiff } from './graddiff.ts';
import { npo } from './npo.ts';
import { po } from './po.ts';

export const methods = [finetune, ascent, graddiff, po, npo] as const;
