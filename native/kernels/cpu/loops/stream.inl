// Memory touched with next to no arithmetic, in the pattern of a step.

namespace soul::SOUL_PATH {
namespace {

// As many bytes as one vector of the widest path.
constexpr int32_t kStreamWords = 16;
struct StreamWords {
  uint32_t words[kStreamWords];
};

// Elements of one stream before the next one's turn: of 32 to 1024 the fastest.
constexpr int64_t kStreamBlock = 256;

template <typename Word>
SOUL_HOST_DEVICE void WalkBlock(Word* __restrict words, bool read, bool written, StreamWords& sum,
                                int32_t length) {
  constexpr int32_t kRow = kStreamWords;
  if (!written) {
    int32_t i = 0;
    for (; i + kRow <= length; i += kRow) {
      for (int32_t lane = 0; lane < kRow; ++lane) sum.words[lane] ^= words[i + lane];
    }
    for (; i < length; ++i) sum.words[i % kRow] ^= words[i];
    return;
  }
  const auto mark = static_cast<Word>(sum.words[0] & 1u);
  if (read) {
    for (int32_t i = 0; i < length; ++i) words[i] = static_cast<Word>(words[i] ^ mark);
  } else {
    for (int32_t i = 0; i < length; ++i) words[i] = mark;
  }
}

uint32_t WalkStreams(const Stream* streams, int32_t count, int64_t begin, int64_t end) {
  StreamWords sum{};
  for (int64_t from = begin; from < end; from += kStreamBlock) {
    const auto length = static_cast<int32_t>(end - from < kStreamBlock ? end - from : kStreamBlock);
    for (int32_t s = 0; s < count; ++s) {
      const Stream& stream = streams[s];
      if (stream.elements.dtype == DType::kFloat32) {
        WalkBlock(At<uint32_t>(stream.elements, from), stream.read, stream.written, sum, length);
      } else {
        WalkBlock(At<uint16_t>(stream.elements, from), stream.read, stream.written, sum, length);
      }
    }
  }
  uint32_t all = 0;
  for (uint32_t word : sum.words) all ^= word;
  return all;
}

}  // namespace
}  // namespace soul::SOUL_PATH
