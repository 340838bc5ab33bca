// Lists the families of generic netlink, with their commands and multicast groups. Needs no privilege; with the name of a family, tells
// what its commands accept.
//
//   node generic-families.mjs
//   node generic-families.mjs ethtool
import { GenericNetlink } from "@nlring/netlink/generic";

const generic = await GenericNetlink.open();
const [name] = process.argv.slice(2);

if (name === undefined) {
  for await (const { id, name, version, operations, groups } of generic.families()) {
    const commands = operations.map(({ command, admin }) => (admin === "none" ? command : `${command}*`));
    console.log(`${name} (number ${id}, version ${version})`);
    if (commands.length > 0) console.log(`  commands ${commands.join(", ")}`);
    if (groups.size > 0) console.log(`  groups ${[...groups.keys()].join(", ")}`);
  }
  console.log("* needs CAP_NET_ADMIN");
} else {
  for (const [command, policy] of await generic.policy(name)) {
    // A command may accept less, or more, where it is a dump.
    for (const way of /** @type {const} */ (["do", "dump"])) {
      const accepted = [...(policy[way] ?? [])].map(([number, { kind }]) => `${number} ${kind}`);
      if (accepted.length > 0) console.log(`${command} ${way}: ${accepted.join(", ")}`);
    }
  }
}
await generic.close();
