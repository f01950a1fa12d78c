/**
 * Every kind of file that is read.
 *
 * @module
 */

import { adapters } from './kinds/adapters.ts';
import { checkpoints } from './kinds/checkpoints.ts';
import { configs } from './kinds/configs.ts';
import { configurations } from './kinds/configurations.ts';
import { dataFiles } from './kinds/data-files.ts';
import { evaluationLogs } from './kinds/evaluation-logs.ts';
import { safetensors } from './kinds/safetensors.ts';
import { stateFiles } from './kinds/state-files.ts';
import { parquetFiles, tables } from './kinds/tables.ts';
import { tokenizers } from './kinds/tokenizers.ts';
import type { HostileKind } from './property.ts';

export const kinds: readonly HostileKind[] = [
  safetensors,
  stateFiles,
  checkpoints,
  adapters,
  tokenizers,
  configs,
  dataFiles,
  tables,
  parquetFiles,
  configurations,
  evaluationLogs,
];
