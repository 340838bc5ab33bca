import { readFileSync, readlinkSync } from "node:fs";

const PREFIX = "nlring";
const TRIAL_PREFIX = "nltest";
/** Inode numbers of namespaces begin above this (PROC_DYNAMIC_FIRST and the kernel's own before it, include/linux/proc_ns.h). */
const FIRST_NAMESPACE = 0xefff_fff0;
/** Digits, to the base of 36, of the pid namespace, the process id, the start time and the port: 31 characters in all, the most before Linux 4.14. */
const WIDTHS = [6, 5, 7, 7] as const;
const NAME = /^nlring([0-9a-z]{6})([0-9a-z]{5})([0-9a-z]{7})[0-9a-z]{7}$/;

/** The process that a table of ours belongs to, told from the table's name. */
export interface TableOwner {
  /** Inode of its pid namespace; 0 where that was not known. */
  readonly pidNamespace: number;
  readonly processId: number;
  /** When it started, in clock ticks after the boot; a process id alone is taken again. */
  readonly startTime: number;
}

/**
 * Names a table after the process and its socket's netlink port. On kernels without owner tables the name is all that tells whose a table
 * is, once its process died.
 */
export function tableName(portId: number): string {
  const { pidNamespace, processId, startTime } = ownOwner();
  const place = pidNamespace === 0 ? 0 : pidNamespace - FIRST_NAMESPACE + 1;
  const digits = [place, processId, startTime, portId].map((value, index) => {
    const width = WIDTHS[index] ?? 0;
    const text = value.toString(36).padStart(width, "0");
    // A number that is none, or too large, is not known.
    return /^[0-9a-z]+$/.test(text) && text.length === width ? text : "".padStart(width, "0");
  });
  return `${PREFIX}${digits.join("")}`;
}

/** The name of the table in which a transaction is tried. */
export function trialName(name: string): string {
  return name.replace(PREFIX, TRIAL_PREFIX);
}

/** Whose table it is; undefined where it is none of ours. */
export function tableOwner(name: string): TableOwner | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const [, place = 0, processId = 0, startTime = 0] = match.map((digits) => Number.parseInt(digits, 36));
  return { pidNamespace: place === 0 ? 0 : place - 1 + FIRST_NAMESPACE, processId, startTime };
}

/**
 * True while the process runs; undefined where that cannot be seen from here, as it is of another pid namespace, or hidden (proc(5),
 * hidepid).
 */
export function isRunning({ pidNamespace, processId, startTime }: TableOwner): boolean | undefined {
  if (pidNamespace === 0 || pidNamespace !== pidNamespaceInode()) return undefined;
  const started = startTimeOf(String(processId));
  if (started !== undefined) return started === startTime;
  return exists(processId) ? undefined : false;
}

/** A signal of 0 asks only. */
function exists(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return !(error instanceof Error && "code" in error && error.code === "ESRCH");
  }
}

function ownOwner(): TableOwner {
  return {
    pidNamespace: pidNamespaceInode(),
    processId: process.pid,
    startTime: startTimeOf("self") ?? 0,
  };
}

function pidNamespaceInode(): number {
  try {
    return Number(/\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0] ?? 0);
  } catch {
    return 0;
  }
}

/** Field 22 of /proc/pid/stat (proc(5)); undefined where there is none to read, and -1 for a zombie, which has ended. */
function startTimeOf(processId: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${processId}/stat`, "latin1");
    // The second field is the program's name in parentheses, and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? -1 : Number(fields[19]);
  } catch {
    return undefined;
  }
}
