// Flash attention on packed sequences as libtorch's CUDA part has it, for the stand-in: what it refuses, and
// the numbers, by matrices in float32.
#pragma once

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <functional>
#include <limits>
#include <optional>
#include <tuple>

namespace soul_test {

using at::Tensor;

inline void CheckPacked(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& begins,
                        int64_t longest, bool causal, double dropout) {
  for (const Tensor* each : {&query, &key, &value}) {
    TORCH_CHECK(each->is_cuda() && each->dim() == 3 && each->scalar_type() == at::kBFloat16 &&
                    each->stride(-1) == 1,
                "FlashAttention: [rows, heads, size] in bfloat16 with contiguous heads");
  }
  TORCH_CHECK(query.size(2) % 8 == 0 && query.size(2) <= 256 && query.size(1) % key.size(1) == 0,
              "FlashAttention: size of heads");
  TORCH_CHECK(begins.is_cuda() && begins.scalar_type() == at::kInt && begins.is_contiguous(),
              "cu_seqlens must be int32");
  TORCH_CHECK(causal && dropout == 0 && longest > 1, "not needed");
}

// Calls `work(begin, length)` for each sequence.
inline void ForSequences(const Tensor& begins, int64_t longest, const std::function<void(int64_t, int64_t)>& work) {
  const Tensor host = begins.to(at::kCPU);
  const int32_t* at = host.data_ptr<int32_t>();
  for (int64_t i = 0; i + 1 < host.numel(); ++i) {
    TORCH_CHECK(at[i + 1] - at[i] <= longest, "a sequence is longer than the longest");
    if (at[i + 1] > at[i]) work(at[i], at[i + 1] - at[i]);
  }
}

// [rows, heads, size] -> [heads of the query, length, size] of one sequence, in float32.
inline Tensor Heads(const Tensor& host, int64_t begin, int64_t length, int64_t repeats) {
  return host.narrow(0, begin, length).to(at::kFloat).transpose(0, 1).repeat_interleave(repeats, 0);
}

inline Tensor Scores(const Tensor& query, const Tensor& key, double scale, std::optional<int64_t> left) {
  const int64_t length = query.size(1);
  const Tensor place = at::arange(length), back = place.unsqueeze(1).sub(place);
  Tensor hidden = back.lt(0);
  if (left) hidden = hidden.logical_or(back.gt(*left));
  return at::matmul(query, key.transpose(1, 2)).mul(scale).masked_fill(
      hidden, -std::numeric_limits<float>::infinity());
}

using Forward = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor>;
inline Forward FlashForward(const Tensor& query, const Tensor& key, const Tensor& value,
                            const std::optional<Tensor>& begins, const std::optional<Tensor>&, int64_t longest,
                            int64_t, double dropout, bool causal, bool, std::optional<double> scale,
                            std::optional<int64_t> left, std::optional<int64_t>, const std::optional<Tensor>&,
                            const std::optional<Tensor>&, const std::optional<Tensor>&, std::optional<int64_t>) {
  CheckPacked(query, key, value, *begins, longest, causal, dropout);
  const Tensor q = query.to(at::kCPU), k = key.to(at::kCPU), v = value.to(at::kCPU);
  const int64_t heads = q.size(1), repeats = heads / k.size(1);
  Tensor output = at::empty(q.sizes(), q.options());
  Tensor log_sum_exp = at::empty({heads, q.size(0)}, q.options().dtype(at::kFloat));
  ForSequences(*begins, longest, [&](int64_t begin, int64_t length) {
    const Tensor scores =
        Scores(Heads(q, begin, length, 1), Heads(k, begin, length, repeats), *scale, left);
    const Tensor result = at::matmul(scores.softmax(-1), Heads(v, begin, length, repeats));
    output.narrow(0, begin, length).copy_(result.transpose(0, 1));
    log_sum_exp.narrow(1, begin, length).copy_(scores.logsumexp(-1));
  });
  const Tensor state = at::empty({2}, query.options().dtype(at::kUInt64));
  return {output.to(query.device()), log_sum_exp.to(query.device()), state, at::empty({}, state.options()),
          at::empty({0}, query.options())};
}

inline std::tuple<Tensor, Tensor, Tensor> FlashBackward(
    const Tensor& d_output, const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& output,
    const Tensor& log_sum_exp, const Tensor& begins, const Tensor&, int64_t longest, int64_t, double dropout,
    bool causal, const Tensor& state, const Tensor& unused, std::optional<double> scale,
    std::optional<int64_t> left, std::optional<int64_t>) {
  CheckPacked(query, key, value, begins, longest, causal, dropout);
  CheckPacked(d_output, output, output, begins, longest, causal, dropout);
  TORCH_CHECK(state.is_cuda() && unused.is_cuda(), "what the forward pass gave is kept");
  const Tensor q = query.to(at::kCPU), k = key.to(at::kCPU), v = value.to(at::kCPU), o = output.to(at::kCPU),
               d_o = d_output.to(at::kCPU), sums = log_sum_exp.to(at::kCPU);
  const int64_t repeats = q.size(1) / k.size(1);
  Tensor dq = at::empty(q.sizes(), q.options()), dk = at::empty(k.sizes(), k.options()),
         dv = at::empty(v.sizes(), v.options());
  ForSequences(begins, longest, [&](int64_t begin, int64_t length) {
    const Tensor hq = Heads(q, begin, length, 1), hk = Heads(k, begin, length, repeats),
                 hv = Heads(v, begin, length, repeats), hd = Heads(d_o, begin, length, 1);
    const Tensor p = Scores(hq, hk, *scale, left).sub(sums.narrow(1, begin, length).unsqueeze(-1)).exp();
    const Tensor d_p = at::matmul(hd, hv.transpose(1, 2));
    const Tensor d_scores =
        p.mul(d_p.sub(hd.mul(Heads(o, begin, length, 1)).sum(-1, true))).mul(*scale);
    const auto put = [&](Tensor& to, const Tensor& gradient, int64_t shared) {
      const Tensor summed =
          gradient.reshape({gradient.size(0) / shared, shared, length, gradient.size(2)}).sum(1);
      to.narrow(0, begin, length).copy_(summed.transpose(0, 1));
    };
    put(dq, at::matmul(d_scores, hk), 1);
    put(dk, at::matmul(d_scores.transpose(1, 2), hq), repeats);
    put(dv, at::matmul(p.transpose(1, 2), hd), repeats);
  });
  return {dq.to(query.device()), dk.to(query.device()), dv.to(query.device())};
}

}  // namespace soul_test
