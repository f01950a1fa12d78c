// Advisory locks of files: the kernel releases one when its process ends, however it ends.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "addon/arguments.h"
#include "addon/calls.h"
#include "addon/work.h"

namespace soul {
namespace {

constexpr napi_type_tag kLockTag = {0x6c6f636b66696c65, 0x736f756c2d6c6f63};

struct FileLock {
  int descriptor = -1;

  void Release() {
    if (descriptor >= 0) close(descriptor);
    descriptor = -1;
  }
  ~FileLock() { Release(); }
};

// lockFile(path) -> External, or undefined where somebody else holds the lock. The file is made where it is
// not there. flock's lock belongs to what was opened, so two opens of one process exclude each other too.
Napi::Value LockFile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Value path = Argument(info, 0);
  if (!path.IsString()) ThrowInvalid(env, "path", "a path");
  const std::string name = path.As<Napi::String>().Utf8Value();
  auto lock = std::make_unique<FileLock>();
  lock->descriptor = open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock->descriptor < 0) {
    ThrowFailure(env, "SOUL_FILE_SYSTEM", name + " cannot be opened: " + std::strerror(errno));
  }
  while (flock(lock->descriptor, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) return env.Undefined();
    ThrowFailure(env, "SOUL_FILE_SYSTEM", name + " cannot be locked: " + std::strerror(errno));
  }
  const auto handle =
      Napi::External<FileLock>::New(env, lock.get(), [](Napi::Env, FileLock* held) { delete held; });
  lock.release();
  if (napi_type_tag_object(env, handle, &kLockTag) != napi_ok) {
    ThrowFailure(env, "SOUL_INTERNAL", "the lock could not be tagged");
  }
  return handle;
}

// isLocked(path): whether somebody holds the lock of a file, be it this process. The file is opened to be
// read alone, and the lock that asks is one that others who ask may have too.
Napi::Value IsLocked(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Value path = Argument(info, 0);
  if (!path.IsString()) ThrowInvalid(env, "path", "a path");
  const std::string name = path.As<Napi::String>().Utf8Value();
  FileLock lock;
  lock.descriptor = open(name.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (lock.descriptor < 0) {
    ThrowFailure(env, "SOUL_FILE_SYSTEM", name + " cannot be opened: " + std::strerror(errno));
  }
  while (flock(lock.descriptor, LOCK_SH | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) return Napi::Boolean::New(env, true);
    ThrowFailure(env, "SOUL_FILE_SYSTEM", name + " cannot be asked for its lock: " + std::strerror(errno));
  }
  return Napi::Boolean::New(env, false);
}

// unlockFile(lock): harmless when done twice.
Napi::Value UnlockFile(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Napi::Value handle = Argument(info, 0);
  bool tagged = false;
  if (!handle.IsExternal() || napi_check_object_type_tag(env, handle, &kLockTag, &tagged) != napi_ok ||
      !tagged) {
    ThrowInvalid(env, "lock", "what lockFile returned");
  }
  handle.As<Napi::External<FileLock>>().Data()->Release();
  return env.Undefined();
}

}  // namespace

void ExportLockCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("lockFile", Napi::Function::New(env, LockFile, "lockFile"));
  exports.Set("isLocked", Napi::Function::New(env, IsLocked, "isLocked"));
  exports.Set("unlockFile", Napi::Function::New(env, UnlockFile, "unlockFile"));
}

}  // namespace soul
