#include "packed_attention.h"

#include <ATen/ops/_flash_attention_backward.h>
#include <ATen/ops/_flash_attention_forward.h>
#include <ATen/ops/cat.h>
#include <torch/csrc/autograd/custom_function.h>

#include <optional>

#include "kept.h"

namespace soul {
namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Tokens before a token that it sees.
std::optional<int64_t> Before(const AttentionShape& shape) {
  return shape.window > 0 ? std::optional(shape.window - 1) : std::nullopt;
}

class AttendPackedRule : public Function<AttendPackedRule> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& query, const Tensor& key, const Tensor& value,
                        const Angles& turn, const PackedSequences& sequences, const AttentionShape& shape) {
    // In place: whatever gives queries, keys and values keeps none of them.
    if (turn.defined()) {
      RotateInPlace(query, turn);
      RotateInPlace(key, turn);
    }
    const Tensor& begins = sequences.begins;
    auto [output, log_sum_exp, random_state, unused, scores] =
        at::_flash_attention_forward(query, key, value, begins, begins, sequences.longest, sequences.longest,
                                     0.0, true, false, shape.scale, Before(shape), 0);
    context->save_for_backward(
        {query, key, value, output, log_sum_exp, random_state, unused, turn.cosine, turn.sine});
    Keep(context, "sequences", sequences);
    Keep(context, "shape", shape);
    return output.view({query.size(0), -1});
  }

  static variable_list backward(AutogradContext* context, const variable_list& d_outputs) {
    const variable_list saved = context->get_saved_variables();
    const Tensor &query = saved[0], &key = saved[1], &value = saved[2];
    const Angles turn{saved[7], saved[8]};
    const auto& sequences = Kept<PackedSequences>(context, "sequences");
    const auto& shape = Kept<AttentionShape>(context, "shape");
    const Tensor& begins = sequences.begins;
    const Tensor d_output = d_outputs[0].reshape({query.size(0), shape.heads, shape.head_size});
    auto [d_query, d_key, d_value] = at::_flash_attention_backward(
        d_output, query, key, value, saved[3], saved[4], begins, begins, sequences.longest, sequences.longest,
        0.0, true, saved[5], saved[6], shape.scale, Before(shape), 0);
    if (turn.defined()) {
      // The inverse of a rotation turns by the opposite angle.
      const Angles back = turn.Opposite();
      RotateInPlace(d_query, back);
      RotateInPlace(d_key, back);
    }
    // Side by side, as the gradient of what the three come from is wanted.
    const Tensor all = at::cat({d_query, d_key, d_value}, 1);
    const int64_t heads = shape.heads, key_heads = shape.key_value_heads;
    return {all.narrow(1, 0, heads),
            all.narrow(1, heads, key_heads),
            all.narrow(1, heads + key_heads, key_heads),
            Tensor(),
            Tensor(),
            Tensor()};
  }
};

}  // namespace

bool PackedAttentionTakes(const AttentionShape& shape, const Place& place) {
  return place.on_device() && place.dtype == at::kBFloat16 && shape.softcap == 0 &&
         shape.head_size % 8 == 0 && shape.head_size <= 256;
}

Tensor AttendPacked(const AttentionInput& input, const Angles& turn, const PackedSequences& sequences,
                    const AttentionShape& shape) {
  return AttendPackedRule::apply(input.query, input.key, input.value, turn, sequences, shape);
}

}  // namespace soul
