#include "system-error.h"

#include <uv.h>

#include <cerrno>
#include <cmath>

namespace nlring {

namespace {

using CreateError = napi_status (*)(napi_env env, napi_value code, napi_value message, napi_value* result);

std::string ErrorName(int error_number) {
  // libuv calls it ENOTSUP, which is the same number on Linux; netlink's documents say EOPNOTSUPP.
  if (error_number == EOPNOTSUPP) return "EOPNOTSUPP";
  char text[64];
  const std::string name = uv_err_name_r(-error_number, text, sizeof(text));
  return name.rfind("Unknown", 0) == 0 ? "E" + std::to_string(error_number) : name;
}

napi_value ToString(napi_env env, const std::string& text) {
  napi_value result = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &result);
  return result;
}

// Null where the environment refuses.
napi_value MakeError(napi_env env, CreateError create, const std::string& code, const std::string& message) {
  napi_value error = nullptr;
  create(env, ToString(env, code), ToString(env, message), &error);
  return error;
}

void Throw(napi_env env, napi_value error) {
  if (error != nullptr) napi_throw(env, error);
}

}  // namespace

void ThrowSystemError(napi_env env, const char* syscall, int error_number, const char* option) {
  const Napi::HandleScope scope(env);
  const std::string name = ErrorName(error_number);
  std::string message = syscall;
  if (option != nullptr) message += std::string(" ") + option;
  char text[128];
  message += ": " + name + ", " + uv_strerror_r(-error_number, text, sizeof(text));
  const napi_value error = MakeError(env, napi_create_error, name, message);
  if (error == nullptr) return;
  napi_value number = nullptr;
  napi_create_int32(env, -error_number, &number);
  napi_set_named_property(env, error, "errno", number);
  napi_set_named_property(env, error, "syscall", ToString(env, syscall));
  if (option != nullptr) napi_set_named_property(env, error, "option", ToString(env, option));
  Throw(env, error);
}

void ThrowError(napi_env env, const char* code, const std::string& message) {
  const Napi::HandleScope scope(env);
  Throw(env, MakeError(env, napi_create_error, code, message));
}

void ThrowTypeError(napi_env env, const std::string& message) {
  const Napi::HandleScope scope(env);
  Throw(env, MakeError(env, napi_create_type_error, "ERR_INVALID_ARG_TYPE", message));
}

void ThrowRangeError(napi_env env, const std::string& message) {
  const Napi::HandleScope scope(env);
  Throw(env, MakeError(env, napi_create_range_error, "ERR_OUT_OF_RANGE", message));
}

bool ReadInteger(Napi::Env env, Napi::Value value, const char* name, int64_t minimum, int64_t maximum,
                 int64_t* result) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) != napi_ok) {
    ThrowTypeError(env, std::string(name) + " must be a number");
    return false;
  }
  if (!(number >= static_cast<double>(minimum) && number <= static_cast<double>(maximum)) ||
      std::floor(number) != number) {
    ThrowRangeError(env, std::string(name) + " must be a whole number from " + std::to_string(minimum) +
                             " to " + std::to_string(maximum));
    return false;
  }
  *result = static_cast<int64_t>(number);
  return true;
}

bool ReadBytes(Napi::Env env, Napi::Value value, const char* name, uint8_t** bytes, size_t* length) {
  if (value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array) {
    // The engine's own call, since the memory may be a SharedArrayBuffer's.
    void* data = nullptr;
    if (napi_get_typedarray_info(env, value, nullptr, length, &data, nullptr, nullptr) == napi_ok) {
      // One NULL vector would have a kernel ring sent instead of an empty message.
      static uint8_t empty;
      *bytes = data == nullptr ? &empty : static_cast<uint8_t*>(data);
      return true;
    }
  }
  ThrowTypeError(env, std::string(name) + " must be a Uint8Array");
  return false;
}

}  // namespace nlring
