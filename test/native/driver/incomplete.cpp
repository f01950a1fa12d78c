// A driver of another age: it says its version, and lacks nearly everything else.
#define SOUL_EXPORTED extern "C" __attribute__((visibility("default"))) int

SOUL_EXPORTED cuInit(unsigned) {
  return 0;
}

SOUL_EXPORTED cuDriverGetVersion(int* version) {
  *version = 13000;
  return 0;
}
