#include "generate.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "head.h"
#include "job.h"

namespace soul {
namespace {

using at::Tensor;

// New positions that a cache has room for at first: most answers end before that, whatever they may grow to.
constexpr int64_t kFirstRoom = 256;

// Hides every logit outside the smallest set of most likely tokens whose probability reaches `top_p`.
void KeepNucleus(float* logits, int64_t vocabulary, float top_p) {
  const double largest = *std::max_element(logits, logits + vocabulary);
  double total = 0;
  for (int64_t token = 0; token < vocabulary; ++token) total += std::exp(logits[token] - largest);
  // Tokens this unlikely do not reach 1 - top_p together: the set is complete without them, and few are left
  // to sort.
  const double least = (1 - static_cast<double>(top_p)) / static_cast<double>(vocabulary);
  const double lowest = largest + std::log(least * total);
  std::vector<int32_t> order;
  for (int64_t token = 0; token < vocabulary; ++token) {
    if (logits[token] >= lowest) {
      order.push_back(static_cast<int32_t>(token));
    } else {
      logits[token] = -std::numeric_limits<float>::infinity();
    }
  }
  std::sort(order.begin(), order.end(),
            [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  double reached = 0;
  for (const int32_t token : order) {
    const double probability = std::exp(logits[token] - largest) / total;
    // The first is kept even where `top_p` is too small for a float.
    if (reached > 0 && reached >= top_p) logits[token] = -std::numeric_limits<float>::infinity();
    reached += probability;
  }
}

// One next token for each row of logits, which may be overwritten. Draws are made on the CPU, whatever the
// device: they are few, and the nucleus is sorted there.
std::vector<int32_t> Choose(const Model& model, const Tensor& given, const std::vector<size_t>& prompts,
                            const std::vector<int64_t>& positions, const GenerateSettings& settings) {
  const int64_t rows = given.size(0), vocabulary = given.size(1);
  std::vector<int32_t> chosen(rows);
  if (settings.temperature == 0) {
    const Tensor best = given.argmax(1).cpu();
    std::copy_n(best.data_ptr<int64_t>(), rows, chosen.begin());
    return chosen;
  }
  Tensor logits = given.cpu();
  // Plain draws read what the head gave.
  if (settings.temperature != 1 || settings.top_p < 1)
    logits = logits.to(at::kFloat).div_(settings.temperature);
  ForRows(rows, vocabulary, [&](int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row) {
      const SoulTokenRows part = RowsOf(logits, row, row + 1);
      if (settings.top_p < 1) KeepNucleus(static_cast<float*>(part.logits), vocabulary, settings.top_p);
      SoulTokenScores scores{};
      scores.sampled_labels = &chosen[row];
      scores.sample_seed = settings.seeds[prompts[row]];
      scores.first_row = static_cast<uint64_t>(positions[row]);
      model.losses.table().score_tokens(&part, &scores);
    }
  });
  return chosen;
}

Tensor LogitsOf(const Model& model, const Tensor& hidden) {
  const Tensor logits = at::empty({hidden.size(0), model.decoder.vocabulary()}, hidden.options());
  LogitsInto(logits, hidden, model.decoder.head());
  return logits;
}

}  // namespace

std::vector<std::vector<int32_t>> Generate(const Model& model,
                                           const std::vector<std::vector<int32_t>>& prompts,
                                           const GenerateSettings& settings) {
  UseThreads(model);
  const at::NoGradGuard no_grad;
  std::vector<std::vector<int32_t>> results(prompts.size());
  std::vector<size_t> rows;      // the prompt of each row of the cache
  std::vector<int64_t> lengths;  // tokens of each row, of which the newest is not in the cache yet
  std::vector<int32_t> tokens;   // all prompts, packed
  std::vector<int64_t> offsets = {0}, wanted;
  int64_t longest = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const int64_t length = static_cast<int64_t>(prompts[i].size());
    tokens.insert(tokens.end(), prompts[i].begin(), prompts[i].end());
    offsets.push_back(static_cast<int64_t>(tokens.size()));
    wanted.push_back(static_cast<int64_t>(tokens.size()) - 1);
    rows.push_back(i);
    lengths.push_back(length);
    longest = std::max(longest, length);
  }
  const int64_t most = std::min(longest + settings.max_new_tokens, settings.max_length);
  KeyValueCache cache =
      model.decoder.MakeCache(static_cast<int64_t>(prompts.size()), std::min(longest + kFirstRoom, most));
  const PackedTokens packed = PackedTokens::Pack(tokens, offsets, wanted, model.place());
  Tensor hidden = model.decoder.Forward(packed, Graph::kNone, &cache).final;

  while (true) {
    ThrowIfCancelled();
    const std::vector<int32_t> chosen = Choose(model, LogitsOf(model, hidden), rows, lengths, settings);
    std::vector<int64_t> going;
    for (size_t row = 0; row < rows.size(); ++row) {
      std::vector<int32_t>& result = results[rows[row]];
      const bool stop = std::find(settings.stop_tokens.begin(), settings.stop_tokens.end(), chosen[row]) !=
                        settings.stop_tokens.end();
      if (!stop) result.push_back(chosen[row]);
      if (!stop && static_cast<int64_t>(result.size()) < settings.max_new_tokens &&
          lengths[row] + 1 < settings.max_length) {
        going.push_back(static_cast<int64_t>(row));
      }
    }
    if (going.empty()) return results;
    if (going.size() < rows.size()) cache.Narrow(going, model.place());
    std::vector<size_t> next_rows;
    std::vector<int64_t> next_lengths;
    std::vector<int32_t> next_tokens;
    for (const int64_t row : going) {
      next_rows.push_back(rows[row]);
      next_lengths.push_back(lengths[row]);
      next_tokens.push_back(chosen[row]);
    }
    rows = std::move(next_rows);
    lengths = std::move(next_lengths);
    // Doubled, so that a token is copied about once, however many there will be.
    if (*std::max_element(lengths.begin(), lengths.end()) >= cache.capacity) {
      cache.Grow(std::min(2 * cache.capacity, most));
    }
    hidden = model.decoder.Extend(next_tokens, lengths, cache);
    for (int64_t& length : lengths) ++length;
  }
}

}  // namespace soul
