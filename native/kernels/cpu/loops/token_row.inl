// A row of logits, float32 or bfloat16, in blocks of floats.

namespace soul::SOUL_PATH {
namespace {

Elements RowOf(const SoulTokenRows& rows, int64_t row) {
  const auto dtype = static_cast<DType>(rows.dtype);
  const int64_t bytes = row * rows.stride * static_cast<int64_t>(SizeOf(dtype));
  return {static_cast<char*>(rows.logits) + bytes, dtype};
}

// Floats where they lie, what is narrower in `room`.
const float* FloatsOf(const Elements& row, int64_t begin, int32_t length, float* room) {
  if (row.dtype == DType::kFloat32) return At<float>(row, begin);
  LoadBlock(row, begin, length, room);
  return room;
}

float FloatAt(const Elements& row, int64_t index) {
  return row.dtype == DType::kFloat32 ? *At<float>(row, index) : FromBFloat16(*At<uint16_t>(row, index));
}

// Element begin + i <- term(i), rounded to the nearest. The terms must not read the row.
template <typename Term>
void StoreBlock(const Elements& row, int64_t begin, int32_t length, const Term& term) {
  if (row.dtype == DType::kFloat32) {
    float* __restrict floats = At<float>(row, begin);
    for (int32_t i = 0; i < length; ++i) floats[i] = term(i);
  } else {
    uint16_t* __restrict halves = At<uint16_t>(row, begin);
    for (int32_t i = 0; i < length; ++i) halves[i] = ToBFloat16(term(i));
  }
}

}  // namespace
}  // namespace soul::SOUL_PATH
