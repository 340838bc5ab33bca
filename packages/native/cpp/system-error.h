#pragma once

#include <napi.h>

namespace nlring {

// A JavaScript Error as Node's own system errors are: `code`, negative `errno`, `syscall`; and `option`, the
// name of the socket option, where one was refused.
void ThrowSystemError(Napi::Env env, const char* syscall, int error_number, const char* option = nullptr);

// Reads an integer argument within [minimum, maximum]. On a wrong one throws a TypeError or RangeError with
// Node's codes and returns false.
bool ReadInteger(Napi::Env env, Napi::Value value, const char* name, int64_t minimum, int64_t maximum,
                 int64_t* result);

}  // namespace nlring
