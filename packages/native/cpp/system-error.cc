#include "system-error.h"

#include <uv.h>

#include <cerrno>
#include <cmath>
#include <string>

namespace nlring {

namespace {

std::string ErrorName(int error_number) {
  // libuv calls it ENOTSUP, which is the same number on Linux; netlink's documents say EOPNOTSUPP.
  if (error_number == EOPNOTSUPP) return "EOPNOTSUPP";
  const std::string name = uv_err_name(-error_number);
  return name.rfind("Unknown", 0) == 0 ? "E" + std::to_string(error_number) : name;
}

void ThrowArgumentError(Napi::Env env, Napi::Error error, const char* code) {
  error.Set("code", Napi::String::New(env, code));
  error.ThrowAsJavaScriptException();
}

}  // namespace

void ThrowSystemError(Napi::Env env, const char* syscall, int error_number, const char* option) {
  const std::string name = ErrorName(error_number);
  std::string message = std::string(syscall);
  if (option != nullptr) message += std::string(" ") + option;
  message += ": " + name + ", " + uv_strerror(-error_number);
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, name));
  error.Set("errno", Napi::Number::New(env, -error_number));
  error.Set("syscall", Napi::String::New(env, syscall));
  if (option != nullptr) error.Set("option", Napi::String::New(env, option));
  error.ThrowAsJavaScriptException();
}

bool ReadInteger(Napi::Env env, Napi::Value value, const char* name, int64_t minimum, int64_t maximum,
                 int64_t* result) {
  if (!value.IsNumber()) {
    ThrowArgumentError(env, Napi::TypeError::New(env, std::string(name) + " must be a number"),
                       "ERR_INVALID_ARG_TYPE");
    return false;
  }
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= static_cast<double>(minimum) && number <= static_cast<double>(maximum)) ||
      std::floor(number) != number) {
    ThrowArgumentError(
        env,
        Napi::RangeError::New(env, std::string(name) + " must be a whole number from " +
                                       std::to_string(minimum) + " to " + std::to_string(maximum)),
        "ERR_OUT_OF_RANGE");
    return false;
  }
  *result = static_cast<int64_t>(number);
  return true;
}

}  // namespace nlring
