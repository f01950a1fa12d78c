import { expect, test } from '@jest/globals';
import { adapterConfig } from '../../lib/model/adapter/adapter-config.ts';
import { parseModelConfig } from '../../lib/model/index.ts';
import { familyConfigs } from '../hostile/family-configs.ts';

/** TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING of peft 0.21.2; it has none for Phi-3. */
const targetsOfPeft: Readonly<Record<string, readonly string[]>> = {
  llama: ['q_proj', 'v_proj'],
  mistral: ['q_proj', 'v_proj'],
  qwen2: ['q_proj', 'v_proj'],
  qwen3: ['q_proj', 'v_proj'],
  gemma: ['q_proj', 'v_proj'],
  gemma2: ['q_proj', 'v_proj'],
  gemma3_text: ['q_proj', 'v_proj'],
  gpt2: ['c_attn'],
  gpt_neox: ['query_key_value'],
  opt: ['q_proj', 'v_proj'],
  phi: ['q_proj', 'v_proj', 'fc1', 'fc2'],
  phi3: ['qkv_proj', 'o_proj', 'gate_up_proj', 'down_proj'],
};

test.each(Object.keys(targetsOfPeft))('targets of %s are those that PEFT takes, else all', (family) => {
  const configs = familyConfigs.filter(({ model_type: type }) => type === family);
  expect(configs.length).toBeGreaterThan(0);
  for (const config of configs) {
    expect(adapterConfig({ kind: 'lora' }, parseModelConfig(config)).targets).toEqual(targetsOfPeft[family]);
  }
});
