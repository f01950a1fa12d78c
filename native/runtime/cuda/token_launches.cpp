#include "runtime/cuda/token_launches.h"

#include <algorithm>
#include <limits>
#include <string>

#include "kernels/cuda/token_parameters.h"
#include "kernels/storage.h"
#include "kernels/token_target.h"

namespace soul::cuda {
namespace {

constexpr int32_t kWarp = 32;

// Tiles that a block takes of a row where there are rows enough: what a row costs besides is shared by them.
constexpr int64_t kTilesOfRow = 8;

// Where rows are few, blocks are larger and rows are cut into parts until this share of BlocksFor's threads
// is busy: kernels on rows take up to 64 registers a thread, with which half of the threads stay on a
// multiprocessor.
constexpr int64_t kBusyShare = 2;

struct Shape {
  int32_t threads;
  int64_t blocks;
  TokenParts split;
  int64_t finishing_blocks;  // of the kernel that puts parts together; 0: none is needed
};

// Logits that the first groups of rows lack: the most, where rows begin at different places.
int64_t MissingBefore(const SoulTokenRows& rows) {
  const bool alike = rows.stride % 4 == 0 || rows.rows == 1;
  const std::size_t bytes = SizeOf(static_cast<DType>(rows.dtype));
  return alike ? static_cast<int64_t>(reinterpret_cast<uintptr_t>(rows.logits) / bytes % 4) : 3;
}

// The part of a kernel's name that stands for the rows' dtype.
const char* DTypeOf(const SoulTokenRows& rows) {
  return rows.dtype == SOUL_BFLOAT16 ? "_bf16" : "_f32";
}

std::string DTypesOf(const SoulTokenRows& rows, const SoulTokenRows& reference) {
  return std::string(DTypeOf(rows)) + DTypeOf(reference);
}

Shape ShapeFor(const Queue& queue, const SoulTokenRows& rows) {
  Shape shape{};
  const int64_t all_threads = queue.BlocksFor(std::numeric_limits<int64_t>::max()) * queue.Threads();
  const int64_t threads_of_tile = rows.vocabulary / TokenTile(1);
  const int64_t wanted =
      std::clamp(all_threads / kBusyShare / rows.rows, threads_of_tile / kTilesOfRow, threads_of_tile);
  shape.threads = static_cast<int32_t>(std::clamp<int64_t>(wanted / kWarp * kWarp, kWarp, queue.Threads()));
  const int64_t full = all_threads / shape.threads;
  const int64_t tiles = TokenTiles(rows.vocabulary, MissingBefore(rows), shape.threads);
  const int64_t parts =
      std::clamp<int64_t>(full / kBusyShare / rows.rows, 1, std::min<int64_t>(kMostTokenParts, tiles));
  const int64_t tiles_of_part = (tiles + parts - 1) / parts;
  const int64_t parts_of_row = (tiles + tiles_of_part - 1) / tiles_of_part;
  shape.split = {static_cast<int32_t>(parts_of_row), static_cast<int32_t>(tiles_of_part),
                 static_cast<int32_t>(tiles), rows.rows * parts_of_row};
  shape.blocks = std::clamp<int64_t>(full, 1, shape.split.items);
  if (shape.split.parts > 1) {
    const int64_t warps = shape.threads / kWarp;
    shape.finishing_blocks = std::clamp<int64_t>((rows.rows + warps - 1) / warps, 1, full);
  }
  return shape;
}

// What parts of rows leave for the finishing kernel.
template <typename Figures>
Figures* ScratchFor(Queue& queue, const Shape& shape) {
  return shape.finishing_blocks > 0 ? queue.Scratch<Figures>(shape.split.items) : nullptr;
}

// Those that follow fill in how rows are shared out.
void LaunchTokenGradient(Queue& queue, Stream stream, TokenGradientParameters parameters) {
  const SoulTokenRows& rows = parameters.rows;
  if (rows.rows == 0) return;
  const Shape shape = ShapeFor(queue, rows);
  parameters.split = shape.split;
  parameters.others = ScratchFor<double>(queue, shape);
  queue.LaunchOn(stream, DeviceCode::kTokens, (std::string("soul_token_gradient") + DTypeOf(rows)).c_str(),
                 shape.blocks, shape.threads, parameters);
  if (shape.finishing_blocks == 0) return;
  queue.LaunchOn(stream, DeviceCode::kTokens, "soul_finish_token_gradient", shape.finishing_blocks,
                 shape.threads, parameters);
}

void LaunchDivergence(Queue& queue, Stream stream, const std::string& name, DivergenceParameters parameters) {
  if (parameters.rows.rows == 0) return;
  const Shape shape = ShapeFor(queue, parameters.rows);
  parameters.split = shape.split;
  parameters.figures = ScratchFor<DivergenceFigures>(queue, shape);
  queue.LaunchOn(stream, DeviceCode::kTokens, name.c_str(), shape.blocks, shape.threads, parameters);
  if (shape.finishing_blocks == 0) return;
  queue.LaunchOn(stream, DeviceCode::kTokens, "soul_finish_divergence", shape.finishing_blocks, shape.threads,
                 parameters);
}

void LaunchDivergenceGradient(Queue& queue, Stream stream, DivergenceGradientParameters parameters) {
  if (parameters.rows.rows == 0) return;
  const Shape shape = ShapeFor(queue, parameters.rows);
  parameters.split = shape.split;
  const std::string name = "soul_divergence_gradient" + DTypesOf(parameters.rows, parameters.reference);
  queue.LaunchOn(stream, DeviceCode::kTokens, name.c_str(), shape.blocks, shape.threads, parameters);
}

}  // namespace

void EnqueueTokenScores(Queue& queue, Stream stream, const SoulTokenRows& rows,
                        const SoulTokenScores& scores) {
  if (rows.rows == 0) return;
  const Shape shape = ShapeFor(queue, rows);
  const bool samples = scores.sampled_labels != nullptr;
  const bool moments = scores.mean_log_p != nullptr || scores.variance_log_p != nullptr;
  const std::string figures = std::string(samples ? "_sampled" : "") + (moments ? "_moments" : "");
  const TokenScoreParameters parameters{rows, scores, shape.split, ScratchFor<TokenFigures>(queue, shape)};
  queue.LaunchOn(stream, DeviceCode::kTokens, ("soul_score_tokens" + figures + DTypeOf(rows)).c_str(),
                 shape.blocks, shape.threads, parameters);
  if (shape.finishing_blocks == 0) return;
  queue.LaunchOn(stream, DeviceCode::kTokens, ("soul_finish_scores" + figures).c_str(),
                 shape.finishing_blocks, shape.threads, parameters);
}

void EnqueueTokenGradient(Queue& queue, Stream stream, const SoulTokenRows& rows, const int32_t* labels,
                          const float* weights, const float* log_sum_exp) {
  LaunchTokenGradient(queue, stream,
                      {.rows = rows, .labels = labels, .weights = weights, .log_sum_exp = log_sum_exp});
}

void EnqueueDivergence(Queue& queue, Stream stream, const SoulTokenRows& rows, const SoulTokenRows& reference,
                       float* divergence, float* log_sum_exp, float* reference_log_sum_exp) {
  LaunchDivergence(queue, stream, "soul_score_divergence" + DTypesOf(rows, reference),
                   {.rows = rows,
                    .reference = reference,
                    .divergence = divergence,
                    .log_sum_exp = log_sum_exp,
                    .reference_log_sum_exp = reference_log_sum_exp});
}

void EnqueueDivergenceGradient(Queue& queue, Stream stream, const SoulTokenRows& rows,
                               const SoulTokenRows& reference, const float* weights, const float* log_sum_exp,
                               const float* reference_log_sum_exp) {
  LaunchDivergenceGradient(queue, stream,
                           {.rows = rows,
                            .reference = reference,
                            .weights = weights,
                            .log_sum_exp = log_sum_exp,
                            .reference_log_sum_exp = reference_log_sum_exp});
}

void EnqueueTargetScores(Queue& queue, Stream stream, const SoulTokenRows& rows,
                         const SoulTokenRows* reference, const SoulTokenTarget& target,
                         float* cross_entropy) {
  const std::string name = reference == nullptr ? std::string("soul_score_own_target") + DTypeOf(rows)
                                                : "soul_score_divergence" + DTypesOf(rows, *reference);
  LaunchDivergence(queue, stream, name,
                   {.rows = rows,
                    .reference = reference == nullptr ? rows : *reference,
                    .divergence = cross_entropy,
                    .log_sum_exp = target.log_sum_exp,
                    .reference_log_sum_exp = target.target_log_sum_exp,
                    .is_target = true,
                    .shifted = {target.labels, ShiftOf(target).by},
                    .label_probability = reference == nullptr ? target.label_probability : nullptr});
}

void EnqueueTargetGradient(Queue& queue, Stream stream, const SoulTokenRows& rows,
                           const SoulTokenRows* reference, const SoulTokenTarget& target,
                           const float* weights) {
  const LabelShift shift = ShiftOf(target);
  if (reference == nullptr) {
    LaunchTokenGradient(queue, stream,
                        {.rows = rows,
                         .labels = target.labels,
                         .weights = weights,
                         .log_sum_exp = shift.by > 0.0f ? target.log_sum_exp : target.target_log_sum_exp,
                         .label_probability = target.label_probability,
                         .shift_factor = shift.factor});
    return;
  }
  LaunchDivergenceGradient(queue, stream,
                           {.rows = rows,
                            .reference = *reference,
                            .weights = weights,
                            .log_sum_exp = target.log_sum_exp,
                            .reference_log_sum_exp = target.target_log_sum_exp,
                            .shifted = {target.labels, shift.by}});
}

}  // namespace soul::cuda
