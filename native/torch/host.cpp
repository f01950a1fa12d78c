#include "host.h"

#include <cstdlib>

#include "block_pool.h"

namespace soul {

void PrepareHost() {
  BlockPool::Instance().Install();
#ifndef _WIN32
  // oneDNN makes code, with buffers, for the products of every new number of rows, and keeps what a thousand
  // took: a gigabyte, where batches differ. Making it again takes a fiftieth of the pass. Read at the first
  // product; who has set them is left alone.
  setenv("LRU_CACHE_CAPACITY", "64", /*overwrite=*/0);
  setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64", /*overwrite=*/0);
#endif
}

}  // namespace soul
