#include "readiness.h"

#include "system-error.h"

namespace nlring {

Readiness::Readiness(Napi::Env env, Napi::Object receiver, Napi::Function callback)
    : env_(env), callback_(Napi::Persistent(callback)), context_(env, "nlring:readable", receiver) {}

std::unique_ptr<Readiness> Readiness::Watch(Napi::Env env, int descriptor, Napi::Object receiver,
                                            Napi::Function callback) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return nullptr;
  auto* handle = new Handle{};
  const int failed = uv_poll_init(loop, &handle->poll, descriptor);
  if (failed != 0) {
    delete handle;
    ThrowSystemError(env, "uv_poll_init", -failed);
    return nullptr;
  }
  std::unique_ptr<Readiness> readiness(new Readiness(env, receiver, callback));
  handle->poll.data = handle;
  handle->owner = readiness.get();
  readiness->handle_ = handle;
  if (napi_add_async_cleanup_hook(env, OnEnvironmentEnd, handle, &handle->hook) != napi_ok) {
    // Without the hook a worker that ends would abort the process.
    handle->hook = nullptr;
    return nullptr;
  }
  return readiness;
}

Readiness::~Readiness() {
  if (handle_ == nullptr) return;
  handle_->owner = nullptr;
  Close(handle_);
}

void Readiness::Close(Handle* handle) {
  if (uv_is_closing(reinterpret_cast<uv_handle_t*>(&handle->poll))) return;
  uv_close(reinterpret_cast<uv_handle_t*>(&handle->poll), [](uv_handle_t* closed) {
    auto* self = static_cast<Handle*>(closed->data);
    if (self->hook != nullptr) napi_remove_async_cleanup_hook(self->hook);
    delete self;
  });
}

void Readiness::OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* data) {
  auto* handle = static_cast<Handle*>(data);
  if (handle->owner != nullptr) handle->owner->handle_ = nullptr;
  handle->owner = nullptr;
  Close(handle);
}

int Readiness::Start() {
  return handle_ == nullptr ? UV_EBADF : uv_poll_start(&handle_->poll, UV_READABLE, OnPoll);
}

void Readiness::Stop() {
  if (handle_ != nullptr) uv_poll_stop(&handle_->poll);
}

void Readiness::Reference() {
  if (handle_ != nullptr) uv_ref(reinterpret_cast<uv_handle_t*>(&handle_->poll));
}

void Readiness::Unreference() {
  if (handle_ != nullptr) uv_unref(reinterpret_cast<uv_handle_t*>(&handle_->poll));
}

void Readiness::OnPoll(uv_poll_t* poll, int status, int) {
  Readiness* owner = static_cast<Handle*>(poll->data)->owner;
  if (owner == nullptr) return;
  // An error that is pending on the socket (ENOBUFS) comes as UV_EBADF, and libuv has stopped watching then.
  // The reader's next fill collects the error, so the socket counts as readable.
  if (status < 0) owner->Start();
  owner->Call();
}

void Readiness::Call() {
  const Napi::Env env = env_;
  Napi::HandleScope scope(env);
  napi_value result = nullptr;
  const napi_status status =
      napi_make_callback(env, context_, env.Global(), callback_.Value(), 0, nullptr, &result);
  // This object may be gone: the callback may have closed the socket.
  if (status != napi_pending_exception) return;
  napi_value exception = nullptr;
  if (napi_get_and_clear_last_exception(env, &exception) == napi_ok) napi_fatal_exception(env, exception);
}

}  // namespace nlring
