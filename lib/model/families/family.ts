/**
 * What a family of decoders is: how to read its config.json.
 *
 * @module
 */

import type { ConfigReader } from '../config-reader.ts';
import type { DecoderConfig } from '../decoder-config.ts';

/** All that config.json decides; `written` may be left out where nothing is to be said beside it. */
export type FamilyConfig = Omit<DecoderConfig, 'modelType' | 'architecture' | 'source' | 'written'> &
  Partial<Pick<DecoderConfig, 'written'>>;

/** Models that transformers runs by one class. */
export interface Family {
  /** `model_type` in config.json. */
  readonly modelType: string;
  /** The class of transformers. */
  readonly architecture: string;
  /**
   * The linear layers that PEFT gives adapters where none are named (its TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING); absent where
   * it has no default.
   */
  readonly loraTargets?: readonly string[];
  /** @throws SoulError, of the reader's methods */
  read(config: ConfigReader): FamilyConfig;
}
