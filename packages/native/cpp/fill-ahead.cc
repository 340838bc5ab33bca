#include "fill-ahead.h"

namespace nlring {

class FillAhead::Worker : public Napi::AsyncWorker {
 public:
  Worker(Napi::Env env, const std::shared_ptr<Call>& call)
      : Napi::AsyncWorker(env, "nlring:fillAhead"), call_(call) {}

  void Execute() override { call_->Run(); }

 private:
  std::shared_ptr<Call> call_;
};

void FillAhead::Call::Run() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (state_ != State::kQueued) return;
    state_ = State::kRunning;
  }
  const int result = filler_->Receive(count_);
  // Notified under the lock: what waits may delete the filler right after, and this object is not touched
  // then.
  const std::lock_guard<std::mutex> lock(mutex_);
  result_ = result;
  state_ = State::kDone;
  done_.notify_one();
}

int FillAhead::Call::Result() {
  Run();
  std::unique_lock<std::mutex> lock(mutex_);
  // Not for long: the call does not wait for messages.
  done_.wait(lock, [this] { return state_ == State::kDone; });
  return result_;
}

void FillAhead::Start(Napi::Env env, uint32_t limit) {
  const int count = filler_.Choose(limit);
  if (count < 0) return;
  call_ = std::make_shared<Call>(&filler_, static_cast<uint32_t>(count));
  // It deletes itself.
  (new Worker(env, call_))->Queue();
}

int FillAhead::Wait() {
  if (call_ == nullptr) return 0;
  const int result = call_->Result();
  call_.reset();
  return result;
}

}  // namespace nlring
