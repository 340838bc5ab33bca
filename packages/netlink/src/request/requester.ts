import { NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST } from "../abi.js";
import { EncodeError } from "../errors.js";
import { type Acknowledgement, PLAIN_ACKNOWLEDGEMENT } from "../message/acknowledgement.js";
import type { Message } from "../message/message.js";
import { MessageWriter } from "../message/message-writer.js";
import type { Outgoing } from "../message/outgoing.js";
import type { Receiver } from "../receive/receiver.js";
import type { MessageSender } from "./message-sender.js";
import { PendingRequest, type RequestOwner, type RequestTable } from "./request-table.js";

/** Requests leave together up to so many bytes: far below any send buffer. */
const RUN_BYTES = 32_768;
/** And up to so many messages. */
const RUN_MESSAGES = 64;
/** What the answer to one is charged in the receive buffer, and some more: an ACK takes 768 to 1,280 bytes. */
const ANSWER_CHARGE = 1536;

/** Calls back in a microtask. Node's queueMicrotask makes two objects more for each, a seventh of what a request took in JavaScript. */
const SETTLED = Promise.resolve();

/** True for a message that asks for a dump (both bits of NLM_F_DUMP). */
export function asksForDump({ flags = 0 }: Outgoing): boolean {
  return (flags & NLM_F_DUMP) === NLM_F_DUMP;
}

/** A dump that may have to wait for others. */
export interface DumpTurn {
  start(): void;
  /** Others wait: whatever its reader does, it is to be taken off the socket. */
  hurry(): void;
  /** The socket closed before its turn came. */
  fail(error: unknown): void;
}

/** Requests that leave in one send, and their bytes. */
interface Run {
  readonly requests: readonly PendingRequest[];
  readonly bytes: Uint8Array;
}

/**
 * Writes requests and sends them. Single requests that are made without waiting in between leave in one send and are answered by one
 * read, before the event loop goes on: awaiting one at a time costs no turn of it.
 */
export class Requester {
  readonly #portId: number;
  readonly #table: RequestTable;
  readonly #sender: MessageSender;
  readonly #receiver: Receiver;
  /** Requests that are written, of a run that is not complete. */
  #run: PendingRequest[] = [];
  /** Runs that are complete, and wait for the event loop's next turn: in this one enough was read. */
  #waiting: Run[] = [];
  #nextTurn: NodeJS.Immediate | undefined;
  #writer = MessageWriter.growing();
  /** Messages whose answers take at most half of the receive buffer. */
  readonly #runLimit: number;
  #scheduled = false;
  readonly #leave = (): void => {
    this.#scheduled = false;
    this.#endRun();
    this.#sendWaiting();
    // What was sent by others meanwhile is unread.
    this.#receiver.readNow();
  };
  readonly #read = (): void => this.#receiver.readNow();
  /** Dumps that wait for the one that runs: the kernel runs one at a time on a socket, and answers others with EBUSY. */
  readonly #dumps: DumpTurn[] = [];
  #dump: DumpTurn | undefined;
  /** True while a message's `write` runs. */
  #writing = false;
  #stopped: { readonly error: unknown } | undefined;

  constructor(
    portId: number,
    receiveBuffer: number,
    table: RequestTable,
    sender: MessageSender,
    receiver: Receiver,
  ) {
    this.#portId = portId;
    this.#runLimit = Math.min(RUN_MESSAGES, Math.max(1, Math.floor(receiveBuffer / 2 / ANSWER_CHARGE)));
    this.#table = table;
    this.#sender = sender;
    this.#receiver = receiver;
  }

  /** Writes a request that is sent, with others, before the event loop goes on. Throws what writing it throws. */
  enqueue(outgoing: Outgoing, owner: RequestOwner): void {
    this.#assertNotWriting();
    if (this.#run.length === 0) this.#freshWriter();
    this.#run.push(this.#write(outgoing, owner, 0));
    if (this.#run.length === this.#runLimit || this.#writer.position > RUN_BYTES) {
      this.#endRun();
      this.#sendWaiting();
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    SETTLED.then(this.#leave);
  }

  /** Sends messages at once, in one send of their own: a batch of nfnetlink must not share its send. */
  sendTogether(messages: readonly Outgoing[], owner: RequestOwner): void {
    this.#assertNotWriting();
    this.sendRun();
    this.#freshWriter();
    const requests = messages.map((outgoing, index) => this.#write(outgoing, owner, index));
    this.#send({ requests, bytes: this.#writer.finished() });
    this.readSoon();
  }

  /** Reads when the current call has returned, and before the event loop goes on. */
  readSoon(): void {
    SETTLED.then(this.#read);
  }

  /** Sends the request of a dump, in a send of its own. The caller reads. */
  sendDump(outgoing: Outgoing, owner: RequestOwner): PendingRequest {
    this.#assertNotWriting();
    this.sendRun();
    this.#freshWriter();
    const request = this.#write(outgoing, owner, 0);
    this.#send({ requests: [request], bytes: this.#writer.finished() });
    return request;
  }

  /** Sends what `enqueue` wrote, all of it now: something else is to be sent behind it. */
  sendRun(): void {
    // A message that is being written would be torn from those before it.
    if (this.#writing) return;
    this.#endRun();
    for (let run = this.#waiting.shift(); run !== undefined; run = this.#waiting.shift()) {
      this.#send(run);
      if (this.#waiting.length > 0) this.#receiver.readAnswers();
    }
  }

  #endRun(): void {
    if (this.#run.length === 0) return;
    this.#waiting.push({ requests: this.#run, bytes: this.#writer.finished() });
    this.#run = [];
  }

  /**
   * Sends complete runs and reads the answers to each, which are there by then, and would find the receive buffer full if more were asked.
   * What this turn of the event loop has no more reads for goes on in the next: sent now, its answers would have no room, and read now,
   * a chain of awaited requests would leave the others no turn.
   */
  #sendWaiting(): void {
    const receiver = this.#receiver;
    while (receiver.mayRead) {
      const run = this.#waiting.shift();
      if (run === undefined) return;
      this.#send(run);
      receiver.readAnswers();
    }
    if (this.#waiting.length === 0) return;
    this.#nextTurn ??= setImmediate(() => {
      this.#nextTurn = undefined;
      this.#sendWaiting();
    });
  }

  /**
   * Starts a dump when no other runs, and holds the others off until `endDump`. The one that runs is told to hurry: its reader may be waiting
   * for this one, as in a loop inside a loop.
   */
  startDump(dump: DumpTurn): void {
    if (this.#dump !== undefined) {
      this.#dumps.push(dump);
      this.#dump.hurry();
      return;
    }
    this.#dump = dump;
    dump.start();
  }

  endDump(): void {
    this.#dump = this.#dumps.shift();
    if (this.#dump === undefined) return;
    this.#dump.start();
    if (this.#dumps.length > 0) this.#dump?.hurry();
    this.#receiver.lookSoon();
  }

  /** Gives up a turn that has not come. */
  cancelDump(dump: DumpTurn): void {
    const index = this.#dumps.indexOf(dump);
    if (index >= 0) this.#dumps.splice(index, 1);
  }

  /** The socket is about to close: what was not sent is refused. */
  stop(error: unknown): void {
    this.#stopped = { error };
    clearImmediate(this.#nextTurn);
    this.#endRun();
    for (const { requests } of this.#waiting.splice(0)) refuse(requests, error);
    for (const dump of this.#dumps.splice(0)) dump.fail(error);
  }

  #freshWriter(): void {
    // Requests in flight keep what was sent, for the places that errors name; those that wait keep what is to be sent.
    if (this.#table.size === 0 && this.#waiting.length === 0) this.#writer.rewind();
    else this.#writer = MessageWriter.growing();
  }

  #assertNotWriting(): void {
    if (!this.#writing) return;
    throw new EncodeError("a request was made by the function that writes another: make it before or after");
  }

  #write(outgoing: Outgoing, owner: RequestOwner, index: number): PendingRequest {
    const dump = asksForDump(outgoing);
    const answered = dump || (outgoing.acknowledge ?? true);
    const flags = (outgoing.flags ?? 0) | NLM_F_REQUEST | (answered && !dump ? NLM_F_ACK : 0);
    const request = new PendingRequest(outgoing, answered, owner, index);
    request.sequence = this.#table.nextSequence();
    request.offset = this.#writer.position;
    this.#writer.begin(outgoing.type, flags, request.sequence, this.#portId);
    this.#writing = true;
    try {
      outgoing.write?.(this.#writer);
      this.#writer.end();
    } finally {
      this.#writing = false;
    }
    // What wrote it may have closed the socket.
    if (this.#stopped !== undefined) throw this.#stopped.error;
    return request;
  }

  #send({ requests, bytes }: Run): void {
    for (const request of requests) {
      request.bytes = bytes;
      this.#table.add(request);
    }
    try {
      this.#sender.sendRun(bytes);
    } catch (error) {
      for (const request of requests) this.#table.forget(request);
      refuse(requests, error);
    }
  }
}

function refuse(requests: readonly PendingRequest[], error: unknown): void {
  for (const { owner, index } of requests) owner.settle(index, error, PLAIN_ACKNOWLEDGEMENT);
}

/** A dump whose replies a visitor sees: a request that waits for its turn among the dumps. */
export class SoleDump implements DumpTurn, RequestOwner {
  readonly visit: ((reply: Message) => void) | undefined;
  readonly #requester: Requester;
  readonly #message: Outgoing;
  readonly #owner: RequestOwner;

  constructor(requester: Requester, message: Outgoing, owner: RequestOwner) {
    this.#requester = requester;
    this.#message = message;
    this.#owner = owner;
    this.visit = owner.visit;
  }

  start(): void {
    try {
      this.#requester.sendDump(this.#message, this);
    } catch (error) {
      this.settle(0, error, PLAIN_ACKNOWLEDGEMENT);
    }
    this.#requester.readSoon();
  }

  hurry(): void {}

  fail(error: unknown): void {
    this.#owner.settle(0, error, PLAIN_ACKNOWLEDGEMENT);
  }

  settle(index: number, error: unknown, acknowledgement: Acknowledgement): void {
    this.#owner.settle(index, error, acknowledgement);
    this.#requester.endDump();
  }
}
