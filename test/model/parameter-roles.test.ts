import { describe, expect, test } from '@jest/globals';
import { parameterLayout, parseModelConfig } from '../../lib/model/index.ts';
import { recordedFamilies } from '../torch/recorded-families.ts';

/** What families call it, by the last of a name's parts before `.weight` or `.bias`. */
const roles: Record<string, RegExp> = {
  embedding: /(embed_tokens|wte|embed_in)$/,
  positions: /(wpe|embed_positions)$/,
  attentionInput: /([qkv]_proj|qkv_proj|c_attn|query_key_value)$/,
  attentionOutput: /(o_proj|out_proj|attn\.c_proj|self_attn\.dense|attention\.dense)$/,
  mlpInput: /(gate_proj|up_proj|gate_up_proj|c_fc|fc1|dense_h_to_4h)$/,
  mlpOutput: /(down_proj|mlp\.c_proj|fc2|dense_4h_to_h)$/,
  head: /(lm_head|embed_out)$/,
};

describe.each(recordedFamilies)('roles of parameters: %s', (_, { config }) => {
  const parsed = parseModelConfig(config);
  const places = [...parameterLayout(parsed)];

  test('are those of their names, and norms are vectors', () => {
    for (const [name, { role, group }] of places) {
      const stem = name.replace(/\.(weight|bias)$/, '');
      const expected = Object.keys(roles).find((each) => roles[each]!.test(stem));
      if (expected !== undefined) expect([name, role]).toEqual([name, expected]);
      else expect([name, group, role]).toEqual([name, 'vector', expect.stringMatching(/Norm$/)]);
    }
  });

  test('come with the layer that the name tells', () => {
    for (const [name, { layer }] of places) {
      const told = /\.(\d+)\./.exec(name)?.[1];
      expect([name, layer]).toEqual([name, told === undefined ? undefined : Number(told)]);
    }
  });

  test('find one MLP output matrix in each layer', () => {
    const found = places.flatMap(([, { role, group, layer, shape }]) =>
      role === 'mlpOutput' && group === 'matrix' ? [[layer, [...shape].sort()]] : [],
    );
    const shape = [parsed.hiddenSize, parsed.intermediateSize].sort();
    expect(found).toEqual(Array.from({ length: parsed.layers }, (_, layer) => [layer, shape]));
  });
});
