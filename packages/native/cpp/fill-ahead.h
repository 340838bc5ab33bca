#pragma once

#include <napi.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>

#include "fill.h"

namespace nlring {

// A fill whose system call runs in a thread of libuv's pool while JavaScript handles the frames of the fill
// before. For a dump: the kernel builds its messages inside of the call that receives them, which takes about
// as long as handling them does.
//
// Frames are chosen and handed over by the JavaScript thread, which waits for the call where it still runs:
// to whoever reads the ring, a fill ahead is an ordinary fill that returned early. Where the pool has no
// thread free when the frames are wanted, the JavaScript thread makes the call itself.
class FillAhead {
 public:
  // Most messages of one fill.
  static constexpr uint32_t kLimit = 32;

  FillAhead(int descriptor, Ring* ring) : scratch_(kLimit), filler_(descriptor, ring, &scratch_, false) {}
  // Neither the descriptor nor the ring is touched after this.
  ~FillAhead() { Wait(); }
  FillAhead(const FillAhead&) = delete;
  FillAhead& operator=(const FillAhead&) = delete;

  // Begins to fill; does nothing where no frame is free. Not while one is pending.
  void Start(Napi::Env env, uint32_t limit);

  // Between Start and Finish: the ring and the socket have no other fill then.
  bool pending() const { return call_ != nullptr; }

  // Ends what Start began. Returns as Filler::Fill.
  template <typename OnSpill>
  int Finish(OnSpill on_spill) {
    return filler_.Publish(Wait(), on_spill);
  }

 private:
  // One system call, made by whichever thread comes first. Its own object, which the pool may look at when
  // everything else is gone.
  class Call {
   public:
    Call(Filler* filler, uint32_t count) : filler_(filler), count_(count) {}
    // Makes the call unless the other thread does.
    void Run();
    // Waits for the call, or makes it.
    int Result();

   private:
    enum class State { kQueued, kRunning, kDone };
    Filler* filler_;
    uint32_t count_;
    std::mutex mutex_;
    std::condition_variable done_;
    State state_ = State::kQueued;
    int result_ = 0;
  };
  class Worker;

  int Wait();

  FillScratch scratch_;
  Filler filler_;
  std::shared_ptr<Call> call_;
};

}  // namespace nlring
