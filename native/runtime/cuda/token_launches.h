// The token losses of SoulInterface on a device.
#pragma once

#include <cstdint>

#include "runtime/cuda/queue.h"
#include "runtime/interface.h"

namespace soul::cuda {

// All pointers are memory of the queue's device. Work is enqueued on `stream`, which must be the queue's or
// ordered with it (HandOver, TakeOver): few long rows are shared out over blocks that leave what they found
// in the queue's scratch memory. How rows are shared out depends on how many there are, and so do the last
// bits of sums.
void EnqueueTokenScores(Queue& queue, Stream stream, const SoulTokenRows& rows,
                        const SoulTokenScores& scores);
void EnqueueTokenGradient(Queue& queue, Stream stream, const SoulTokenRows& rows, const int32_t* labels,
                          const float* weights, const float* log_sum_exp);
void EnqueueDivergence(Queue& queue, Stream stream, const SoulTokenRows& rows, const SoulTokenRows& reference,
                       float* divergence, float* log_sum_exp, float* reference_log_sum_exp);
void EnqueueDivergenceGradient(Queue& queue, Stream stream, const SoulTokenRows& rows,
                               const SoulTokenRows& reference, const float* weights, const float* log_sum_exp,
                               const float* reference_log_sum_exp);
// A null reference: targets are the rows' own.
void EnqueueTargetScores(Queue& queue, Stream stream, const SoulTokenRows& rows,
                         const SoulTokenRows* reference, const SoulTokenTarget& target, float* cross_entropy);
void EnqueueTargetGradient(Queue& queue, Stream stream, const SoulTokenRows& rows,
                           const SoulTokenRows* reference, const SoulTokenTarget& target,
                           const float* weights);

}  // namespace soul::cuda
