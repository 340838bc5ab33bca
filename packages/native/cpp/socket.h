#pragma once

#include <napi.h>

#include <deque>
#include <memory>

#include "fill-ahead.h"
#include "fill.h"
#include "readiness.h"
#include "ring-memory.h"

namespace nlring {

constexpr int kRxRing = 6;  // NETLINK_RX_RING
constexpr int kTxRing = 7;  // NETLINK_TX_RING

// What one environment (the main thread, or a worker) has of its own.
struct AddonData {
  FillScratch scratch{kFillLimit};
  iovec drain_vectors[1024];
};

// A netlink socket with its rings, as JavaScript sees it. See src/binding.ts for the contract of each method.
class Socket : public Napi::ObjectWrap<Socket> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Socket(const Napi::CallbackInfo& info);
  ~Socket() override;

 private:
  enum class RingKind { kNone, kUser, kKernel };

  Napi::Value Bind(const Napi::CallbackInfo& info);
  Napi::Value Connect(const Napi::CallbackInfo& info);
  Napi::Value PortId(const Napi::CallbackInfo& info);
  Napi::Value AddMembership(const Napi::CallbackInfo& info);
  Napi::Value DropMembership(const Napi::CallbackInfo& info);
  Napi::Value SetOption(const Napi::CallbackInfo& info);
  Napi::Value GetOption(const Napi::CallbackInfo& info);
  Napi::Value AttachFilter(const Napi::CallbackInfo& info);
  Napi::Value DetachFilter(const Napi::CallbackInfo& info);
  Napi::Value SetReceiveBuffer(const Napi::CallbackInfo& info);
  Napi::Value ReceiveBuffer(const Napi::CallbackInfo& info);
  Napi::Value Drops(const Napi::CallbackInfo& info);
  Napi::Value MapUserRing(const Napi::CallbackInfo& info);
  Napi::Value MapKernelRing(const Napi::CallbackInfo& info);
  Napi::Value Fill(const Napi::CallbackInfo& info);
  Napi::Value FillAhead(const Napi::CallbackInfo& info);
  Napi::Value TakeCopied(const Napi::CallbackInfo& info);
  Napi::Value Drain(const Napi::CallbackInfo& info);
  Napi::Value Send(const Napi::CallbackInfo& info);
  Napi::Value Receive(const Napi::CallbackInfo& info);
  Napi::Value SenderPort(const Napi::CallbackInfo& info);
  Napi::Value Group(const Napi::CallbackInfo& info);
  Napi::Value OnReadable(const Napi::CallbackInfo& info);
  Napi::Value Resume(const Napi::CallbackInfo& info);
  Napi::Value Poll(const Napi::CallbackInfo& info);
  Napi::Value Pause(const Napi::CallbackInfo& info);
  Napi::Value Reference(const Napi::CallbackInfo& info);
  Napi::Value Unreference(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  // Throws ERR_SOCKET_CLOSED and returns false once the socket is closed.
  bool CheckOpen(Napi::Env env);
  bool CheckUnmapped(Napi::Env env);
  void KeepSpilled(Napi::Env env, const SpilledMessage& message);
  // The port that the socket is bound to, 0 for none. On an error throws and returns false.
  bool ReadPort(Napi::Env env, uint32_t* port_id);
  Napi::Value ChangeMembership(const Napi::CallbackInfo& info, int option, const char* name);
  // Whether the ring's ArrayBuffer was detached by someone else (ArrayBuffer.prototype.transfer). The caller
  // has a handle scope: one is allocated, and a fill would pay for it.
  bool RingMoved(Napi::Env env);
  // Takes hold of a new mapping. Returns false with an exception pending where the runtime refuses its
  // ArrayBuffer.
  bool HoldRing(Napi::Env env, const std::shared_ptr<RingMemory>& memory);
  static void OnEnvironmentEnd(void* self);
  bool ReadSendBuffer(Napi::Env env);
  bool SetRing(Napi::Env env, int option, const char* name, const RingGeometry& geometry);
  void RemoveRings();
  void ReleaseAll();

  int descriptor_ = -1;
  RingKind kind_ = RingKind::kNone;
  std::shared_ptr<RingMemory> memory_;
  Napi::Reference<Napi::ArrayBuffer> buffer_;
  Ring rx_;
  Ring tx_;
  // Behind what it works on.
  std::unique_ptr<nlring::FillAhead> ahead_;
  // Nobody but the kernel can send to it.
  bool connected_ = false;
  int send_buffer_ = 0;
  std::deque<Napi::Reference<Napi::ArrayBuffer>> copied_;
  std::shared_ptr<Readiness> readiness_;
  bool resumed_ = false;
  bool referenced_ = true;
  uint32_t sender_port_ = 0;
  uint32_t group_ = 0;
};

}  // namespace nlring
