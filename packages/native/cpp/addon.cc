#include <linux/netlink.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>

#include "socket.h"

namespace nlring {

namespace {

// Raised with every change of what JavaScript calls; src/load.ts refuses another one.
constexpr int kBindingVersion = 6;

// Waits until every processor has left what it was doing: an RCU grace period.
class GracePeriod : public Napi::AsyncWorker {
 public:
  explicit GracePeriod(Napi::Env env)
      : Napi::AsyncWorker(env, "nlring:gracePeriod"), deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise Promise() { return deferred_.Promise(); }

  void Execute() override {
    constexpr int kMembarrierGlobal = 1;  // MEMBARRIER_CMD_GLOBAL, include/uapi/linux/membarrier.h
    // Where it is refused (before Linux 4.3, or by a filter on system calls) there is nothing else to do.
    syscall(SYS_membarrier, kMembarrierGlobal, 0, 0);
  }
  void OnOK() override { deferred_.Resolve(Env().Undefined()); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
};

Napi::Value WaitForGracePeriod(const Napi::CallbackInfo& info) {
  auto* worker = new GracePeriod(info.Env());
  const Napi::Promise promise = worker->Promise();
  worker->Queue();
  return promise;
}

// Sizes and offsets as this addon was compiled, for the test that holds them against the TypeScript side.
Napi::Object Layout(Napi::Env env) {
  Napi::Object layout = Napi::Object::New(env);
  const auto set = [&](const char* name, size_t value) {
    layout.Set(name, Napi::Number::New(env, static_cast<double>(value)));
  };
  set("frameHeaderLength", sizeof(FrameHeader));
  set("frameStatus", offsetof(FrameHeader, status));
  set("frameLength", offsetof(FrameHeader, length));
  set("frameGroup", offsetof(FrameHeader, group));
  set("framePid", offsetof(FrameHeader, pid));
  set("frameUid", offsetof(FrameHeader, uid));
  set("frameGid", offsetof(FrameHeader, gid));
  set("messageHeaderLength", sizeof(nlmsghdr));
  set("messageType", offsetof(nlmsghdr, nlmsg_type));
  set("messageFlags", offsetof(nlmsghdr, nlmsg_flags));
  set("messageSequence", offsetof(nlmsghdr, nlmsg_seq));
  set("messagePort", offsetof(nlmsghdr, nlmsg_pid));
  return layout;
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  // The environment owns it from here on and deletes it at its end.
  env.SetInstanceData(new AddonData());
  exports.Set("version", Napi::Number::New(env, kBindingVersion));
  exports.Set("layout", Layout(env));
  exports.Set("pageSize", Napi::Number::New(env, static_cast<double>(sysconf(_SC_PAGESIZE))));
  exports.Set("Socket", Socket::Define(env));
  exports.Set("gracePeriod", Napi::Function::New<WaitForGracePeriod>(env, "gracePeriod"));
  return exports;
}

}  // namespace

}  // namespace nlring

static Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  return nlring::Initialize(env, exports);
}

NODE_API_MODULE(nlring, Initialize)
