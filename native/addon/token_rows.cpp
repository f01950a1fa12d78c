#include "addon/token_rows.h"

namespace soul {
namespace {

constexpr int64_t kLargestVocabulary = int64_t{1} << 31;

}  // namespace

Rows ReadRows(const Napi::Value& value, const char* name, int64_t vocabulary) {
  const FlatMemory logits = ReadFloating(value, name);
  if (logits.length % vocabulary != 0) ThrowInvalid(value.Env(), name, "a whole number of rows");
  const auto& [data, dtype] = logits.elements;
  return {logits, {data, logits.length / vocabulary, vocabulary, vocabulary, static_cast<uint32_t>(dtype)}};
}

int32_t ReadDeviceOfRows(Napi::Env env, const Rows& rows, const Rows& reference) {
  if (reference.rows.rows != rows.rows.rows) ThrowInvalid(env, "reference", "of as many rows as logits");
  return ReadDevice(env, {{"logits", &rows.logits}, {"reference", &reference.logits}});
}

int64_t ReadVocabulary(const Napi::Value& value) {
  return ReadInteger(value, "vocabulary", 1, kLargestVocabulary - 1);
}

SoulTokenRows PartOf(const SoulTokenRows& rows, int64_t first, int64_t count) {
  SoulTokenRows part = rows;
  const auto bytes = static_cast<int64_t>(SizeOf(static_cast<DType>(rows.dtype)));
  part.logits = static_cast<char*>(rows.logits) + first * rows.stride * bytes;
  part.rows = count;
  return part;
}

bool CopyLabels(const int32_t* labels, const SoulTokenRows& rows, std::vector<int32_t>* copy) {
  copy->assign(labels, labels + rows.rows);
  for (const int32_t label : *copy) {
    if (label < 0 || label >= rows.vocabulary) return false;
  }
  return true;
}

Outcome BadLabel() {
  return Outcome::Failed("SOUL_INVALID_ARGUMENT", "labels must be integers from 0 to vocabulary - 1");
}

}  // namespace soul
