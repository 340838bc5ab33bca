import type { NetlinkSocket } from "@nlring/netlink";
import {
  NFT_MSG_DELRULE,
  NFT_MSG_DELTABLE,
  NFTA_RULE_CHAIN,
  NFTA_RULE_TABLE,
  NFTA_TABLE_NAME,
} from "./abi.js";
import { batch } from "./batch.js";
import { readBaseChains, readTables, type TableRecord } from "./read-ruleset.js";
import { isRunning, tableOwner } from "./table-name.js";

/** Tables of ours whose process has died, on kernels where they do not go by themselves. */
export async function findLeftovers(socket: NetlinkSocket): Promise<TableRecord[]> {
  const tables = await readTables(socket);
  return tables.filter(({ name, owned }) => {
    const owner = owned ? undefined : tableOwner(name);
    return owner !== undefined && isRunning(owner) === false;
  });
}

/**
 * Deletes the rules that dead processes left, so that traffic flows again, and returns their tables. Those stay for now: what waits in any
 * queue of the namespace would be dropped with them.
 */
export async function emptyLeftovers(socket: NetlinkSocket): Promise<TableRecord[]> {
  const tables = await findLeftovers(socket);
  if (tables.length === 0) return tables;
  // Rules in other chains queue nothing, and may be all that keeps conntrack hooked.
  const chains = await readBaseChains(socket, (family, name) =>
    tables.some((table) => table.family === family && table.name === name),
  );
  if (chains.length === 0) return tables;
  await socket.request(
    batch((add) => {
      for (const { family, table, name } of chains) {
        add(NFT_MSG_DELRULE, 0, family, (writer) => {
          writer.attributeString(NFTA_RULE_TABLE, table).attributeString(NFTA_RULE_CHAIN, name);
        });
      }
    }),
  );
  return tables;
}

/** Removes tables, each in a transaction of its own: one that is gone already keeps none of the others. */
export async function removeTables(socket: NetlinkSocket, tables: readonly TableRecord[]): Promise<void> {
  await Promise.all(
    tables.map(({ family, name }) =>
      socket.request(
        batch((add) =>
          add(NFT_MSG_DELTABLE, 0, family, (writer) => writer.attributeString(NFTA_TABLE_NAME, name)),
        ),
      ),
    ),
  );
}
