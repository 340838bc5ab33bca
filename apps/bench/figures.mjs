// Figures of many runs as rows of a table.
import { median } from "./backlog.mjs";

const NAME_WIDTH = 50;

/** @param {string} title */
export function printHeading(title) {
  console.log(`\n${title.padEnd(NAME_WIDTH)}   median   lowest  highest`);
}

/**
 * @param {string} name
 * @param {readonly number[]} figures
 * @param {number} [digits]
 */
export function printRow(name, figures, digits = 2) {
  const columns = [median([...figures]), Math.min(...figures), Math.max(...figures)];
  console.log(
    `  ${name}`.padEnd(NAME_WIDTH) + columns.map((figure) => figure.toFixed(digits).padStart(9)).join(""),
  );
}

/**
 * One figure over another, pair by pair.
 *
 * @param {readonly number[]} figures
 * @param {readonly number[]} others
 */
export function ratios(figures, others) {
  return figures.map((figure, index) => figure / (others[index] ?? Number.NaN));
}
