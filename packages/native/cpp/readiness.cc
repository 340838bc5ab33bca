#include "readiness.h"

#include "system-error.h"

namespace nlring {

namespace {

bool Hold(napi_env env, napi_value receiver, napi_value callback) {
  napi_value symbol = nullptr;
  if (napi_create_symbol(env, nullptr, &symbol) != napi_ok) return false;
  const napi_property_descriptor property = {nullptr, symbol,   nullptr,      nullptr,
                                             nullptr, callback, napi_default, nullptr};
  return napi_define_properties(env, receiver, 1, &property) == napi_ok;
}

}  // namespace

Readiness::Readiness(Napi::Env env, Handle* handle, Napi::Function callback)
    : env_(env),
      handle_(handle),
      callback_(Napi::Weak(callback)),
      // Not the receiver: recent versions hold the resource, and it would never be collected.
      context_(env, "nlring:readable") {}

std::shared_ptr<Readiness> Readiness::Watch(Napi::Env env, int descriptor, Napi::Object receiver,
                                            Napi::Function callback) {
  uv_loop_t* loop = nullptr;
  if (!Hold(env, receiver, callback) || napi_get_uv_event_loop(env, &loop) != napi_ok) {
    ThrowError(env, "ERR_INVALID_STATE", "the socket cannot be watched: it is frozen, or its thread ends");
    return nullptr;
  }
  auto* handle = new Handle{};
  const int failed = uv_poll_init(loop, &handle->poll, descriptor);
  if (failed != 0) {
    delete handle;
    ThrowSystemError(env, "uv_poll_init", -failed);
    return nullptr;
  }
  handle->poll.data = handle;
  // Without the hook a worker that ends would abort the process.
  if (napi_add_async_cleanup_hook(env, OnEnvironmentEnd, handle, &handle->hook) != napi_ok) {
    handle->hook = nullptr;
    CloseHandle(handle);
    ThrowError(env, "ERR_INVALID_STATE", "the socket cannot be watched: its thread ends");
    return nullptr;
  }
  std::shared_ptr<Readiness> readiness(new Readiness(env, handle, callback));
  handle->owner = readiness.get();
  return readiness;
}

Readiness::~Readiness() { Close(); }

void Readiness::Close() {
  if (handle_ == nullptr) return;
  handle_->owner = nullptr;
  CloseHandle(handle_);
  handle_ = nullptr;
}

void Readiness::CloseHandle(Handle* handle) {
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
  CloseHandle(handle);
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
  const Napi::HandleScope scope(owner->env_);
  // The callback may close the socket, whose hold on this object then ends in the middle of the call.
  const std::shared_ptr<Readiness> kept = owner->shared_from_this();
  // An error that is pending on the socket (ENOBUFS) comes as UV_EBADF, and libuv has stopped watching then.
  // The reader's next fill collects the error, so the socket counts as readable.
  if (status < 0) kept->Start();
  kept->Call();
}

void Readiness::Call() {
  const Napi::Function callback = callback_.Value();
  napi_value result = nullptr;
  // The function has no use for a receiver: it is the object at hand.
  if (callback.IsEmpty() ||
      napi_make_callback(env_, context_, callback, callback, 0, nullptr, &result) != napi_pending_exception) {
    return;
  }
  // None is pending where the call was refused because the environment ends.
  bool thrown = false;
  napi_value exception = nullptr;
  if (napi_is_exception_pending(env_, &thrown) == napi_ok && thrown &&
      napi_get_and_clear_last_exception(env_, &exception) == napi_ok) {
    napi_fatal_exception(env_, exception);
  }
}

}  // namespace nlring
