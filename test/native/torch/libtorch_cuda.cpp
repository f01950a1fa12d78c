// A stand-in for the CUDA part of libtorch, for tests on machines without a GPU: tensors lie in memory of the
// CUDA driver that SOUL_CUDA_DRIVER names, which may be the emulated one, and every operation fetches what it
// needs, is done by libtorch's operation for CPUs, and puts back what it changed.
//
// As on a GPU, memory of the device is out of the host's reach, so that only driver calls may come to it, and
// an operation whose tensors lie on two devices is refused. Everything is in order on the default stream.
#include <ATen/EmptyTensor.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/_scaled_dot_product_attention_math.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/view_native.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>
#include <torch/library.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "flash_attention.h"

namespace {

using at::Tensor;
using Address = unsigned long long;

thread_local c10::DeviceIndex device_now = 0;

template <typename Arguments>
Arguments* Find(const char* name) {
  static void* const library = dlopen(std::getenv("SOUL_CUDA_DRIVER"), RTLD_NOW | RTLD_LOCAL);
  void* const found = library ? dlsym(library, name) : nullptr;
  TORCH_CHECK(found, "the driver has no ", name);
  return reinterpret_cast<Arguments*>(found);
}

void Require(int result, const char* what) {
  TORCH_CHECK(result == 0, "CUDA error: ", what, " gave ", result);
}

void Enter(c10::DeviceIndex device) {
  static const auto retain = Find<int(void**, int)>("cuDevicePrimaryCtxRetain");
  static const auto set = Find<int(void*)>("cuCtxSetCurrent");
  static void* contexts[8] = {};
  if (!contexts[device]) Require(retain(&contexts[device], device), "cuDevicePrimaryCtxRetain");
  Require(set(contexts[device]), "cuCtxSetCurrent");
}

void Synchronize(c10::DeviceIndex device) {
  static const auto synchronize = Find<int(void*)>("cuStreamSynchronize");
  Enter(device);
  Require(synchronize(nullptr), "cuStreamSynchronize");
}

void CopyToHost(void* target, Address source, size_t bytes, c10::DeviceIndex device) {
  static const auto copy = Find<int(void*, Address, size_t, void*)>("cuMemcpyDtoHAsync_v2");
  if (bytes == 0) return;
  Enter(device);
  Require(copy(target, source, bytes, nullptr), "cuMemcpyDtoHAsync");
  Synchronize(device);
}

void CopyToDevice(Address target, const void* source, size_t bytes, c10::DeviceIndex device) {
  static const auto copy = Find<int(Address, const void*, size_t, void*)>("cuMemcpyHtoDAsync_v2");
  if (bytes == 0) return;
  Enter(device);
  Require(copy(target, source, bytes, nullptr), "cuMemcpyHtoDAsync");
  Synchronize(device);
}

class DeviceMemory final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    static const auto allocate = Find<int(Address*, size_t)>("cuMemAlloc_v2");
    Address memory = 0;
    Enter(device_now);
    if (bytes > 0) {
      const int result = allocate(&memory, bytes);
      TORCH_CHECK_WITH(OutOfMemoryError, result != 2, "CUDA out of memory. Tried to allocate ", bytes,
                       " bytes");
      Require(result, "cuMemAlloc");
    }
    void* data = reinterpret_cast<void*>(memory);
    return {data, data, &Free, c10::Device(c10::kCUDA, device_now)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &Free; }
  void copy_data(void*, const void*, size_t) const override { TORCH_CHECK(false, "not needed"); }

 private:
  // Work on the stream may still be about to use it. Called by destructors: what a broken device has is left.
  static void Free(void* memory) {
    static const auto free_memory = Find<int(Address)>("cuMemFree_v2");
    if (!memory) return;
    try {
      Synchronize(device_now);
      free_memory(reinterpret_cast<Address>(memory));
    } catch (const c10::Error&) {
    }
  }
};

DeviceMemory device_memory;

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return c10::kCUDA; }
  c10::Device exchangeDevice(c10::Device device) const override {
    const c10::Device old = getDevice();
    device_now = device.index();
    return old;
  }
  c10::Device getDevice() const override { return c10::Device(c10::kCUDA, device_now); }
  void setDevice(c10::Device device) const override { device_now = device.index(); }
  void uncheckedSetDevice(c10::Device device) const noexcept override { device_now = device.index(); }
  c10::Stream getStream(c10::Device device) const override {
    return c10::Stream(c10::Stream::DEFAULT, device);
  }
  c10::Stream getDefaultStream(c10::Device device) const override { return getStream(device); }
  c10::Stream exchangeStream(c10::Stream stream) const override { return getStream(stream.device()); }
  void* getStreamNativeHandle(const c10::Stream) const override { return nullptr; }
  c10::DeviceIndex deviceCount() const noexcept override {
    int count = 0;
    static const auto get = Find<int(int*)>("cuDeviceGetCount");
    return get(&count) == 0 ? static_cast<c10::DeviceIndex>(count) : 0;
  }
  bool queryStream(const c10::Stream&) const override { return true; }
  void synchronizeStream(const c10::Stream& stream) const override { Synchronize(stream.device_index()); }
  void recordDataPtrOnStream(const c10::DataPtr&, const c10::Stream&) const override {}
};

struct CUDAHooks final : at::CUDAHooksInterface {
  explicit CUDAHooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return Guard().deviceCount(); }
  c10::DeviceIndex getCurrentDevice() const override { return device_now; }
  at::Allocator* getPinnedMemoryAllocator() const override { return c10::GetCPUAllocator(); }
};

// A tensor of the host over a copy of the bytes that a tensor of the device lies in.
struct HostCopy {
  explicit HostCopy(const Tensor& tensor) : device(tensor.device().index()) {
    int64_t span = tensor.numel() == 0 ? 0 : 1;
    for (int64_t i = 0; i < tensor.dim() && span > 0; ++i) span += (tensor.size(i) - 1) * tensor.stride(i);
    bytes.resize(span * tensor.element_size());
    address = reinterpret_cast<Address>(tensor.data_ptr());
    CopyToHost(bytes.data(), address, bytes.size(), device);
    view = at::from_blob(bytes.data(), tensor.sizes(), tensor.strides(), tensor.options().device(c10::kCPU));
  }
  void WriteBack() const { CopyToDevice(address, bytes.data(), bytes.size(), device); }

  c10::DeviceIndex device;
  std::vector<char> bytes;
  Address address;
  Tensor view;
};

Tensor& Copy(Tensor& self, const Tensor& source, bool) {
  const Tensor host = source.is_cuda() ? HostCopy(source).view.clone() : source;
  if (!self.is_cuda()) return self.copy_(host);
  HostCopy target(self);
  target.view.copy_(host);
  target.WriteBack();
  return self;
}

Tensor CopyAndResize(const Tensor& self, const Tensor& target) {
  Tensor written = target;
  if (self.sizes() != target.sizes()) {
    const Tensor larger = at::empty(self.sizes(), target.options());
    written.unsafeGetTensorImpl()->set_storage_keep_dtype(larger.storage());
    written.unsafeGetTensorImpl()->set_sizes_contiguous(self.sizes());
  }
  return Copy(written, self, false);
}

c10::DispatchKeySet Keys() {
  return c10::DispatchKeySet(c10::DispatchKey::CUDA);
}

Tensor Empty(at::IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
             std::optional<at::Device> device, std::optional<bool>, std::optional<at::MemoryFormat> format) {
  const c10::DeviceGuard guard(*device);
  return at::detail::empty_generic(size, &device_memory, Keys(), c10::dtype_or_default(dtype), format);
}

Tensor EmptyStrided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> dtype,
                    std::optional<at::Layout>, std::optional<at::Device> device, std::optional<bool>) {
  const c10::DeviceGuard guard(*device);
  return at::detail::empty_strided_generic(size, stride, &device_memory, Keys(),
                                           c10::dtype_or_default(dtype));
}

Tensor Attention(const Tensor& query, const Tensor& key, const Tensor& value,
                 const std::optional<Tensor>& mask, double dropout, bool causal, std::optional<double> scale,
                 bool grouped) {
  return std::get<0>(
      at::_scaled_dot_product_attention_math(query, key, value, mask, dropout, causal, {}, scale, grouped));
}

void CheckDevice(const Tensor& tensor, const c10::OperatorHandle& operation) {
  if (!tensor.defined() || tensor.is_cuda() || tensor.dim() == 0) return;
  TORCH_CHECK(false, "Expected all tensors to be on the same device, but ", operation.schema().name(),
              " was given one on ", tensor.device(), " beside one on a CUDA device");
}

void Fallback(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  const size_t count = operation.schema().arguments().size();
  for (const c10::IValue& value : torch::jit::last(*stack, count)) {
    if (value.isTensor()) CheckDevice(value.toTensor(), operation);
    if (value.isTensorList()) {
      for (const Tensor& tensor : value.toTensorVector()) CheckDevice(tensor, operation);
    }
    if (value.isOptionalTensorList()) {
      for (const std::optional<Tensor>& tensor : value.toOptionalTensorVector()) {
        if (tensor) CheckDevice(*tensor, operation);
      }
    }
  }
  at::native::cpu_fallback(operation, stack, /*error_on_views=*/true);
}

}  // namespace

namespace c10::impl {
C10_REGISTER_GUARD_IMPL(CUDA, Guard)
}

namespace at {
REGISTER_CUDA_HOOKS(CUDAHooks)
}

TORCH_LIBRARY_IMPL(aten, CUDA, m) {
  m.impl("empty.memory_format", &Empty);
  m.impl("empty_strided", &EmptyStrided);
  m.impl("copy_", &Copy);
  m.impl("_copy_from_and_resize", &CopyAndResize);
  m.impl("as_strided", &at::native::as_strided_tensorimpl);
  m.impl("view", static_cast<Tensor (*)(const Tensor&, at::IntArrayRef)>(&at::native::view));
  m.impl("_reshape_alias", &at::native::_reshape_alias);
  m.impl("_flash_attention_forward", &soul_test::FlashForward);
  m.impl("_flash_attention_backward", &soul_test::FlashBackward);
}

// The choice between fused operations asks the GPU; this one is made of others.
TORCH_LIBRARY_IMPL(aten, AutogradCUDA, m) {
  m.impl("scaled_dot_product_attention", &Attention);
}

TORCH_LIBRARY_IMPL(_, CUDA, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&Fallback>());
}

static const bool registered = [] {
  c10::SetAllocator(c10::kCUDA, &device_memory, 1);
  return true;
}();
