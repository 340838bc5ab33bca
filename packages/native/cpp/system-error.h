#pragma once

#include <napi.h>

#include <string>

namespace nlring {

// These throw nothing where the environment no longer runs JavaScript: a worker can be terminated in the
// middle of any call, and node-addon-api ends the whole process over an error that it cannot throw.

// A JavaScript Error as Node's own system errors are: `code`, negative `errno`, `syscall`; and `option`, the
// name of the socket option, where one was refused.
void ThrowSystemError(napi_env env, const char* syscall, int error_number, const char* option = nullptr);

// Error, TypeError and RangeError with a `code` of Node's or ours.
void ThrowError(napi_env env, const char* code, const std::string& message);
void ThrowTypeError(napi_env env, const std::string& message);
void ThrowRangeError(napi_env env, const std::string& message);

// Reads an integer argument within [minimum, maximum]. On a wrong one throws a TypeError or RangeError with
// Node's codes and returns false.
bool ReadInteger(Napi::Env env, Napi::Value value, const char* name, int64_t minimum, int64_t maximum,
                 int64_t* result);

// Reads a Uint8Array argument, over shared memory too. On anything else throws a TypeError and returns false.
bool ReadBytes(Napi::Env env, Napi::Value value, const char* name, uint8_t** bytes, size_t* length);

}  // namespace nlring
