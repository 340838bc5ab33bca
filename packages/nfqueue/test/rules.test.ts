import { errnoName, type Message } from "@nlring/netlink";
import { FakeKernel } from "@nlring/netlink/testing";
import { describe, expect, test } from "vitest";
import { listRules, NfQueue, QueueRules } from "../src/index.js";
import { isRunning, tableName, tableOwner, trialName } from "../src/rules/table-name.js";
import { FakeQueueKernel } from "../src/testing/index.js";

const NEWTABLE = 0xa00;
const GETTABLE = 0xa01;
const DELTABLE = 0xa02;
const NEWCHAIN = 0xa03;
const NEWRULE = 0xa06;
const DELRULE = 0xa08;
const INET = 1;
const IPV4 = 2;
const IPV6 = 10;
const EPERM = -1;
const ENOENT = -2;
const EINVAL = -22;
const EAFNOSUPPORT = -97;

/** What a kernel of some age takes, in the parts that rules depend on. */
interface Age {
  readonly owner: boolean;
  readonly queueExpression: boolean;
  readonly targetInInet: boolean;
  readonly inet: boolean;
  /** A table goes in the transaction that made it. */
  readonly undoes: boolean;
}

const NEWEST: Age = { owner: true, queueExpression: true, targetInInet: true, inet: true, undoes: true };

const contains = (message: Message, text: string): boolean =>
  new TextDecoder("latin1").decode(message.bytes.slice(message.offset, message.end)).includes(text);

/** A kernel of that age that takes a batch whole or not at all; `state` is what is there. */
function kernelOf(age: Age): { kernel: FakeKernel; log: string[]; rules: () => number } {
  const log: string[] = [];
  let rules = 0;
  // What is only tried goes with its table, in the same transaction.
  const kernel = new FakeKernel(({ message, fail }) => {
    const { type } = message;
    if (type < 0xa00) return;
    const family = message.view.getUint8(message.payloadOffset);
    const refuse = (errno: number): void => {
      log.push(`refused ${type.toString(16)} in ${family}: ${errnoName(errno)}`);
      fail(errno);
    };
    if (type === NEWTABLE) {
      if (family === INET && !age.inet) return refuse(EAFNOSUPPORT);
      const attributes = message.attributes(4);
      while (attributes.next()) {
        if (attributes.type === 2 && attributes.uint32Network() === 2 && !age.owner) return refuse(EINVAL);
      }
    }
    if (type === NEWRULE) {
      const target = contains(message, "NFQUEUE");
      if (!target && !age.queueExpression) return refuse(ENOENT);
      if (target && family === INET && !age.targetInInet) return refuse(EINVAL);
    }
    if (type === DELTABLE && contains(message, "nltest") && !age.undoes) return refuse(ENOENT);
    if (contains(message, "nltest")) return;
    if (type === NEWRULE) rules++;
    if (type === DELRULE) rules--;
    log.push(`${type.toString(16)} in ${family}`);
  });
  return { kernel, log, rules: () => rules };
}

const MATCH = { hook: "input", protocol: "udp", destinationPort: 53 } as const;
const hex = (type: number): string => type.toString(16);

describe("a rule takes the best that the kernel has", () => {
  test.each([
    ["a new kernel", NEWEST, true, "queue expression", [INET]],
    [
      "one without the queue expression",
      { ...NEWEST, queueExpression: false },
      true,
      "NFQUEUE target",
      [INET],
    ],
    ["one without owner tables", { ...NEWEST, owner: false }, false, "queue expression", [INET]],
    [
      "one whose target knows no inet tables",
      { ...NEWEST, queueExpression: false, targetInInet: false },
      true,
      "NFQUEUE target",
      [IPV4, IPV6],
    ],
    [
      "one that cannot delete a table in the transaction that makes it",
      { ...NEWEST, undoes: false },
      true,
      "queue expression",
      [INET],
    ],
    ["one without inet tables", { ...NEWEST, inet: false }, true, "queue expression", [IPV4, IPV6]],
    [
      "an old one without any of them",
      { owner: false, queueExpression: false, targetInInet: false, inet: true, undoes: false },
      false,
      "NFQUEUE target",
      [IPV4, IPV6],
    ],
  ])("%s", async (_name, age, crashSafe, statement, families) => {
    const { kernel, log } = kernelOf(age);
    const rules = new QueueRules(9, { transport: kernel });
    const rule = await rules.intercept(MATCH);
    expect(rule).toMatchObject({ crashSafe, statement });
    // Where tables outlive their process, what others left is looked for.
    const changes = log.filter((entry) => !entry.startsWith(hex(GETTABLE)));
    expect(changes.length < log.length).toBe(!crashSafe);
    expect(changes.slice(-3 * families.length)).toEqual(
      [NEWTABLE, NEWCHAIN, NEWRULE].flatMap((type) => families.map((family) => `${hex(type)} in ${family}`)),
    );
    await rules.close();
    expect(log.slice(-families.length)).toEqual(families.map((family) => `${hex(DELTABLE)} in ${family}`));
  });

  test("and asks once: the next rule is made at once in the way that worked", async () => {
    const { kernel, log } = kernelOf({ ...NEWEST, queueExpression: false });
    const rules = new QueueRules(9, { transport: kernel });
    await rules.intercept(MATCH);
    const before = log.length;
    await rules.intercept({ ...MATCH, destinationPort: 54 });
    expect(log.slice(before)).toEqual([`${hex(NEWCHAIN)} in ${INET}`, `${hex(NEWRULE)} in ${INET}`]);
    await rules.close();
  });

  test("or says what is missing where nothing is there", async () => {
    const kernel = new FakeKernel(({ message, fail }) => {
      if (message.type === NEWRULE) fail(ENOENT);
    });
    const rules = new QueueRules(9, { transport: kernel });
    await expect(rules.intercept(MATCH)).rejects.toMatchObject({
      name: "RuleError",
      code: "ENOENT",
      message: expect.stringContaining("CONFIG_NFT_COMPAT"),
    });
    await rules.close();
  });

  test("or what a match needs and the kernel lacks", async () => {
    const kernel = new FakeKernel(({ message, fail }) => {
      if (message.type === NEWRULE && contains(message, "ct\0")) fail(ENOENT);
      if (message.type === NEWRULE && contains(message, "range\0")) fail(EINVAL);
    });
    const rules = new QueueRules(9, { transport: kernel });
    await expect(rules.intercept({ hook: "input", conntrackMark: 0 })).rejects.toMatchObject({
      name: "RuleError",
      code: "ENOENT",
      message: expect.stringContaining("CONFIG_NFT_CT"),
    });
    await expect(rules.intercept({ ...MATCH, destinationPort: [1, 2] })).rejects.toMatchObject({
      name: "RuleError",
      code: "EINVAL",
      message: expect.stringContaining("Linux 4.9"),
    });
    await rules.intercept(MATCH);
    await rules.close();
  });

  test("and goes without counters where there are none", async () => {
    const kernel = new FakeKernel(({ message, fail }) => {
      if (message.type === NEWRULE && contains(message, "counter")) fail(ENOENT);
    });
    const rules = new QueueRules(9, { transport: kernel });
    const rule = await rules.intercept(MATCH);
    expect(await rule.counters()).toBeUndefined();
    await rules.close();
  });

  test("has connections tracked from the first match that asks to the end of its table", async () => {
    const { kernel, log, rules: inForce } = kernelOf(NEWEST);
    const rules = new QueueRules(9, { transport: kernel });
    const first = await rules.intercept({ ...MATCH, conntrackState: "new" });
    await rules.intercept({ ...MATCH, conntrackMark: 0 });
    expect(log.filter((entry) => entry.startsWith(hex(NEWTABLE)))).toHaveLength(1);
    await first.dispose();
    // The second, and the one that keeps conntrack.
    expect(inForce()).toBe(2);
    await rules.close();
    expect(log.at(-1)).toBe(`${hex(DELTABLE)} in ${INET}`);
  });

  test("tries what it makes before any hook is touched", async () => {
    const hooked: boolean[] = [];
    const kernel = new FakeKernel(({ message, fail }) => {
      // NFTA_CHAIN_HOOK, nested.
      if (message.type === NEWCHAIN) {
        const attributes = message.attributes(4);
        while (attributes.next()) if (attributes.type === 4) hooked.push(true);
      }
      if (message.type === NEWRULE && contains(message, "payload")) fail(ENOENT);
    });
    const rules = new QueueRules(9, { transport: kernel });
    await expect(rules.intercept(MATCH)).rejects.toMatchObject({ name: "RuleError" });
    expect(hooked).toEqual([]);
    await rules.intercept({ hook: "input" });
    expect(hooked).toEqual([true]);
    await rules.close();
  });

  test("and without privilege says so", async () => {
    const kernel = new FakeKernel(({ message, fail }) => {
      if (message.type === 0x10) fail(EPERM);
    });
    const rules = new QueueRules(9, { transport: kernel });
    await expect(rules.intercept(MATCH)).rejects.toMatchObject({
      name: "PermissionError",
      message: expect.stringContaining("CAP_NET_ADMIN"),
    });
    await rules.close();
  });
});

describe("rules go", () => {
  test("without their table, which stays until the last queue of the process closes", async () => {
    const { kernel, log, rules: inForce } = kernelOf(NEWEST);
    const rules = new QueueRules(9, { transport: kernel });
    const others = new QueueRules(10, { transport: kernel });
    const first = await rules.intercept(MATCH);
    const second = await rules.intercept({ ...MATCH, destinationPort: 54 });
    expect(second.table).toBe(first.table);
    await first.dispose();
    expect(inForce()).toBe(1);
    expect(log.at(-1)).toBe(`${hex(DELRULE)} in ${INET}`);
    await second.dispose();
    await second.dispose();
    expect(inForce()).toBe(0);
    await rules.close();
    expect(log).not.toContain(`${hex(DELTABLE)} in ${INET}`);
    await others.close();
    expect(log.at(-1)).toBe(`${hex(DELTABLE)} in ${INET}`);
  });

  test("and leave their chains to the next ones", async () => {
    const { kernel, log } = kernelOf(NEWEST);
    const rules = new QueueRules(9, { transport: kernel });
    await (await rules.intercept(MATCH)).dispose();
    const before = log.length;
    await rules.intercept({ ...MATCH, destinationPort: 54 });
    expect(log.slice(before)).toEqual([`${hex(NEWRULE)} in ${INET}`]);
    await rules.intercept({ ...MATCH, priority: 1 });
    expect(log.slice(-2)).toEqual([`${hex(NEWCHAIN)} in ${INET}`, `${hex(NEWRULE)} in ${INET}`]);
    await rules.close();
  });

  test("also one that was being made as its queue closed, while another queue keeps the table", async () => {
    const { kernel, rules: inForce } = kernelOf(NEWEST);
    const rules = new QueueRules(9, { transport: kernel });
    const others = new QueueRules(10, { transport: kernel });
    const made = rules.intercept(MATCH);
    await rules.close();
    await made;
    expect(inForce()).toBe(0);
    await others.close();
  });

  test("also when the rule was still being made as they were closed", async () => {
    const { kernel, log } = kernelOf(NEWEST);
    const rules = new QueueRules(9, { transport: kernel });
    const made = rules.intercept(MATCH);
    await rules.close();
    await made;
    expect(log.at(-1)).toBe(`${hex(DELTABLE)} in ${INET}`);
    await expect(rules.intercept(MATCH)).rejects.toMatchObject({ code: "ERR_RULE" });
  });

  test("on exit where the kernel has no owner tables", async () => {
    const { kernel, log } = kernelOf({ ...NEWEST, owner: false });
    const rules = new QueueRules(9, { transport: kernel });
    const listeners = process.listenerCount("exit");
    await rules.intercept(MATCH);
    expect(process.listenerCount("exit")).toBe(listeners + 1);
    // What Node calls when the process ends: nothing asynchronous happens after it.
    process.listeners("exit").at(-1)?.call(process, 0);
    expect(log.at(-1)).toBe(`${hex(DELTABLE)} in ${INET}`);
    await rules.close();
    expect(process.listenerCount("exit")).toBe(listeners);
  });
});

test("a table's name tells its process, and whether that still runs", () => {
  const own = tableOwner(tableName(77));
  expect(own).toMatchObject({ processId: process.pid });
  expect(own === undefined || isRunning(own)).toBe(process.platform === "linux" ? true : undefined);
  if (own !== undefined && process.platform === "linux") {
    // The same id, taken again by a later process; one that nobody has; and one of another pid namespace.
    expect(isRunning({ ...own, startTime: own.startTime + 1 })).toBe(false);
    expect(isRunning({ ...own, processId: 0x3fff_ffff })).toBe(false);
    expect(isRunning({ ...own, pidNamespace: own.pidNamespace + 1 })).toBeUndefined();
  }
  for (const name of ["filter", "nlring", "nlring-1-2-3", trialName(tableName(77))]) {
    expect(tableOwner(name)).toBeUndefined();
  }
});

test("a table's name fits kernels before 4.14, whatever the port", () => {
  for (const portId of [1, 77, 0xffff_ffff]) {
    // NFT_TABLE_MAXNAMELEN was 32, its NUL included.
    expect(tableName(portId).length).toBeLessThanOrEqual(31);
    expect(trialName(tableName(portId)).length).toBeLessThanOrEqual(31);
  }
});

test("a queue in memory takes rules, so that programs run unchanged in tests", async () => {
  const kernel = new FakeQueueKernel();
  const queue = await NfQueue.open(3, { transport: kernel });
  const rule = await queue.intercept(MATCH);
  expect(rule.table).toMatch(/^nlring/);
  expect(await rule.counters()).toEqual([{ packets: 0, bytes: 0 }]);
  expect(await listRules({ transport: kernel })).toEqual([]);
  await rule.dispose();
  await queue.close();
});
