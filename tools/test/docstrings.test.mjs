// Everything that a package exports says what it is: read in the declarations that users' editors show.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const packages = fileURLToPath(new URL("../../packages", import.meta.url));

/** @param {string} folder */
function entries(folder) {
  const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return Object.values(manifest.exports).flatMap((entry) =>
    typeof entry === "object" && "types" in entry ? [join(folder, entry.types)] : [],
  );
}

/**
 * What a declaration file exports, with the file that declares it.
 * @param {string} file
 * @returns {{ name: string, file: string }[]}
 */
function exportsOf(file) {
  const text = readFileSync(file, "utf8");
  const found = [];
  for (const [, names = "", from] of text.matchAll(/^export (?:type )?\{([^}]*)\}(?: from "([^"]+)")?;/gm)) {
    // What another package declares is its own.
    if (from === undefined || !from.startsWith(".")) continue;
    const source = join(dirname(file), from.replace(/\.js$/, ".d.ts"));
    for (const part of names.split(",")) {
      const [name = ""] = part
        .replace(/\btype\b/, "")
        .trim()
        .split(" as ");
      if (name !== "") found.push({ name, file: source });
    }
  }
  for (const [, name = ""] of text.matchAll(DECLARATION)) found.push({ name, file });
  return found;
}

const DECLARATION =
  /^export (?:declare )?(?:abstract )?(?:const|let|class|function|interface|type|enum) ([A-Za-z_$][\w$]*)/gm;

/**
 * True where a comment stands directly before the declaration; constants of the kernel's are explained by their file.
 * @param {{ name: string, file: string }} exported
 */
function isDocumented({ name, file }) {
  const text = readFileSync(file, "utf8");
  if (/^[A-Z][A-Z0-9_]*$/.test(name) && file.endsWith("abi.d.ts")) return true;
  const declaration = new RegExp(
    `(\\*/\\n)?^export (?:declare )?(?:abstract )?(?:const|let|class|function|interface|type|enum) ${name.replace("$", "\\$")}\\b`,
    "m",
  );
  const match = declaration.exec(text);
  if (match === null) {
    // Passed on from another file.
    const passed = exportsOf(file).find((other) => other.name === name && other.file !== file);
    return passed !== undefined && isDocumented(passed);
  }
  return match[1] !== undefined;
}

describe("every export has a docstring", () => {
  const folders = readdirSync(packages).filter((name) => existsSync(join(packages, name, "package.json")));
  test.each(folders)("of %s", (name) => {
    const exported = entries(join(packages, name)).flatMap(exportsOf);
    expect(exported.length).toBeGreaterThan(5);
    expect(exported.filter((one) => !isDocumented(one)).map((one) => one.name)).toEqual([]);
  });
});
