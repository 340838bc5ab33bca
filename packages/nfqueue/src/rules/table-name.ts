import { readFileSync, readlinkSync } from "node:fs";

const PREFIX = "nlring";
const NAME = /^nlring-(\d+)-(\d+)-(\d+)-(\d+)$/;

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
  return `${PREFIX}-${pidNamespace}-${processId}-${startTime}-${portId}`;
}

/** Whose table it is; undefined where it is none of ours. */
export function tableOwner(name: string): TableOwner | undefined {
  const match = NAME.exec(name);
  if (match === null) return undefined;
  const [, pidNamespace, processId, startTime] = match.map(Number);
  if (pidNamespace === undefined || processId === undefined || startTime === undefined) return undefined;
  return { pidNamespace, processId, startTime };
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
