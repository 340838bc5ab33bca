import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Conntrack } from "../src/packet/conntrack.js";
import { Packet } from "../src/packet.js";

const TABLE = new URL("../../../docs/nfqueue-coverage.md", import.meta.url);
const TESTS = new URL("./", import.meta.url);
const SOURCE = new URL("../src/", import.meta.url);

interface Row {
  readonly name: string;
  /** File and title of each test. */
  readonly tests: readonly (readonly [file: string, title: string])[];
}

/** The rows of each section, by its heading. */
function sections(): Map<string, Row[]> {
  const found = new Map<string, Row[]>();
  let rows: Row[] = [];
  for (const line of readFileSync(TABLE, "utf8").split("\n")) {
    if (line.startsWith("## ")) {
      rows = [];
      found.set(line.slice(3), rows);
    }
    const [, name, , , tests] = line.match(/^\| `([^`]+)` *\|(.*?)\|(.*?)\|(.*)\|$/) ?? [];
    if (name === undefined || tests === undefined) continue;
    rows.push({
      name,
      tests: tests.split("<br>").map((test) => {
        const [, file = "", title = ""] = test.trim().match(/^`([^`]+)` (.+)$/) ?? [];
        return [file, title];
      }),
    });
  }
  return found;
}

/** Titles of the tests in a file, as they are written; what a template fills in is "…". */
function titlesOf(file: string): Set<string> {
  const source = readFileSync(new URL(file, TESTS), "utf8");
  const titles = source.matchAll(/(?:\btest|\))\(\s*(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`)/g);
  return new Set(
    [...titles].map(([, plain, template = ""]) => plain ?? template.replaceAll(/\$\{[^}]*\}/g, "…")),
  );
}

/** Members of an interface, which is nowhere at run time. */
function membersOf(file: string, name: string): string[] {
  const source = readFileSync(new URL(file, SOURCE), "utf8");
  const [, body = ""] =
    source.match(new RegExp(`export interface ${name}\\b[^{]*\\{\\n(.*?)\\n\\}`, "s")) ?? [];
  const members = [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map(([, member]) => member ?? "");
  if (members.length === 0) throw new Error(`${file} has no interface ${name}, or it is empty`);
  return members;
}

function flags(): string[] {
  const source = readFileSync(new URL("abi.ts", SOURCE), "utf8");
  return [...source.matchAll(/export const (NFQA_CFG_F_\w+)/g)].map(([, flag]) => flag ?? "");
}

function gettersOf(prototype: object): string[] {
  return Object.entries(Object.getOwnPropertyDescriptors(prototype)).flatMap(([name, { get }]) =>
    get === undefined ? [] : [name],
  );
}

function methodsOf(prototype: object): string[] {
  return Object.entries(Object.getOwnPropertyDescriptors(prototype)).flatMap(([name, { value }]) =>
    typeof value === "function" && name !== "constructor" ? [name] : [],
  );
}

/** What a packet has beside its attributes and verdicts: its state, its bytes, and their readers. */
const STATE = ["decided", "held", "payload"];
const READERS = ["copy", "readUint8", "readUint16", "readUint32", "hold"];

/** What a queue has to get right beside what it can do. */
const EVENTS = [
  "SIGKILL",
  "SIGTERM and SIGINT",
  "process.exit",
  "an exception in the handler",
  "an uncaught exception",
  "a namespace deleted under it",
  "close during a flood",
  "another queue closes with its rules",
  "another program removes a base chain",
  "the queue unbound under it",
  "one slow decision",
  "a body that awaits for long",
  "4,000 held packets",
  "overruns",
  "several senders at once",
  "broken messages",
];

const wanted: Readonly<Record<string, readonly string[]>> = {
  "Attributes of a packet": ["id", ...gettersOf(Packet.prototype).filter((name) => !STATE.includes(name))],
  "Parts of a connection": gettersOf(Conntrack.prototype),
  "Flags of a queue": flags(),
  Verdicts: [
    ...methodsOf(Packet.prototype)
      .filter((name) => !READERS.includes(name))
      .map((name) => `${name}()`),
    ...["VerdictOptions", "RequeueOptions"]
      .flatMap((options) => membersOf("verdict.ts", options))
      .map((name) => `option ${name}`),
  ],
  "Matches of a rule": ["MatchParts", "Match"].flatMap((parts) => membersOf("rules/match.ts", parts)),
  "What can happen to a queue": EVENTS,
};

describe("the table of what NFQUEUE can do", () => {
  const found = sections();

  test.each(Object.entries(wanted))("has a row for each of: %s", (section, names) => {
    expect(names).not.toHaveLength(0);
    expect((found.get(section) ?? []).map(({ name }) => name).toSorted()).toEqual([...names].toSorted());
  });

  test("has no sections that nothing checks", () => {
    expect([...found.keys()]).toEqual(Object.keys(wanted));
  });

  test("names tests that exist", () => {
    const titles = new Map(
      readdirSync(TESTS).flatMap((file) => (file.endsWith(".ts") ? [[file, titlesOf(file)]] : [])),
    );
    for (const { name, tests } of [...found.values()].flat()) {
      for (const [file, title] of tests) expect(titles.get(file) ?? [], `${name}: ${file}`).toContain(title);
    }
  });
});

test("an attribute that the interface declares is there on a packet", () => {
  const declared = membersOf("packet/packet-attributes.ts", "PacketAttributes");
  expect(declared.length).toBeGreaterThan(20);
  expect(gettersOf(Packet.prototype)).toEqual(expect.arrayContaining(declared));
});
