import type { FlatBuffer } from '../../lib/core/flat-buffer.ts';
import { type LoadOptions, TokenBatch, TorchLM } from '../../lib/torch/index.ts';
import { draw } from './recorded-families.ts';

/** A small Llama of ordinary initialisation. */
export const smallConfig = {
  model_type: 'llama',
  vocab_size: 31,
  hidden_size: 16,
  intermediate_size: 20,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 32,
  initializer_range: 0.2,
};

export const smallBatch = TokenBatch.of([
  { tokens: [1, 5, 9, 2, 7, 30], labelsFrom: 1 },
  { tokens: [3, 3, 9, 12], labelsFrom: 2 },
]);

/** The model with adapters whose B is not 0. */
export async function movedModel<Kind extends 'f32' | 'bf16' = 'f32'>(
  options: LoadOptions<Kind> & Pick<Required<LoadOptions>, 'adapter'>,
  config: object = smallConfig,
): Promise<TorchLM<Kind>> {
  const model = await TorchLM.create(config, 1n, { threads: 1, ...options });
  await moveFactors(model, 'B');
  return model;
}

/** Draws all A or all B anew, as a function of their names. */
export async function moveFactors(model: TorchLM<'f32' | 'bf16'>, factor: 'A' | 'B', size = 0.3): Promise<void> {
  for (const [name, place] of model.parameters.layout) {
    if (place.factor !== factor) continue;
    const drawn = Float32Array.from(draw(name, place.shape[0]! * place.shape[1]!), (u) => size * u);
    await model.parameters.values.view(place.offset, drawn.length).copyFrom(drawn);
  }
}

/** The numbers of one parameter. */
export async function numbersOf(
  { values, layout }: { values: FlatBuffer; layout: TorchLM['parameters']['layout'] },
  name: string,
): Promise<{ numbers: Float32Array; rows: number; columns: number }> {
  const { offset, shape } = layout.get(name)!;
  const [rows, columns] = [shape[0]!, shape[1]!];
  return { numbers: await values.view(offset, rows * columns).toFloat32Array(), rows, columns };
}
