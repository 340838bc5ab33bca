#pragma once

#include <napi.h>
#include <uv.h>

#include <memory>

namespace nlring {

// Watches a descriptor through libuv and calls a JavaScript function while it is readable.
//
// The uv_poll_t lives on the heap until its close callback: an environment that ends (a terminated worker,
// process.exit) closes it in an asynchronous cleanup hook, since libuv aborts the process over a handle that
// is left open.
class Readiness : public std::enable_shared_from_this<Readiness> {
 public:
  // The function is held by `receiver`, not by this object: two that know each other can then be collected
  // together while nothing is watched. Null with an exception pending where libuv refuses.
  static std::shared_ptr<Readiness> Watch(Napi::Env env, int descriptor, Napi::Object receiver,
                                          Napi::Function callback);
  ~Readiness();
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;

  // 0, or a negative error number.
  int Start();
  void Stop();
  void Reference();
  void Unreference();
  // Must come before the descriptor is closed, which libuv still has in its epoll set.
  void Close();

 private:
  struct Handle {
    uv_poll_t poll;
    Readiness* owner;
    napi_async_cleanup_hook_handle hook;
  };

  Readiness(Napi::Env env, Handle* handle, Napi::Function callback);
  static void OnPoll(uv_poll_t* poll, int status, int events);
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle hook, void* data);
  static void CloseHandle(Handle* handle);
  void Call();

  Napi::Env env_;
  Handle* handle_;
  Napi::FunctionReference callback_;
  Napi::AsyncContext context_;
};

}  // namespace nlring
