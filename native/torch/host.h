// How libtorch uses the host's memory.
#pragma once

namespace soul {

// For the whole process, before libtorch first computes; harmless when done twice.
void PrepareHost();

}  // namespace soul
