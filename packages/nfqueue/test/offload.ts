import { attributes, flag, repeated, string, uint32 } from "@nlring/netlink";
import { defineFamily, GenericNetlink } from "@nlring/netlink/generic";

// include/uapi/linux/ethtool_netlink.h
const FEATURES_GET = 11;
const FEATURES_SET = 12;
const OMIT_REPLY = 2;

const header = attributes({ name: [2, string], flags: [3, uint32] });
const bit = attributes({ name: [2, string], value: [3, flag] });
const bitset = attributes({ noMask: [1, flag], bits: [3, attributes({ bit: [1, repeated(bit)] })] });

const ethtool = defineFamily("ethtool", {
  commands: {
    featuresGet: {
      command: FEATURES_GET,
      request: { header: [1, header] },
      reply: { active: [4, bitset] },
    },
    featuresSet: { command: FEATURES_SET, request: { header: [1, header], wanted: [3, bitset] } },
  },
});

/** By the names that `ethtool -k` has for them. */
const CHECKSUMS = ["rx-checksum", "tx-checksum-ip-generic"];

/**
 * Has an interface fill in and verify checksums by the kernel itself, which otherwise spares itself both on virtual interfaces. Throws where it
 * goes on as before.
 */
export async function switchChecksumOffloadOff(name: string, namespace?: string): Promise<void> {
  const generic = await GenericNetlink.open({ namespace });
  try {
    const client = await generic.client(ethtool);
    await client.request("featuresSet", {
      header: { name, flags: OMIT_REPLY },
      wanted: { bits: { bit: CHECKSUMS.map((feature) => ({ name: feature })) } },
    });
    const { active } = await client.request("featuresGet", { header: { name } });
    const names = active?.bits?.bit?.map((feature) => feature.name) ?? [];
    const left = names.filter((feature) => CHECKSUMS.includes(feature ?? ""));
    if (names.length === 0 || left.length > 0) throw new Error(`${name} still has ${left.join(" and ")}`);
  } finally {
    await generic.close();
  }
}
