// Logs what comes in: a rule of nftables hands each packet to NFLOG, and this prints it, with its text as in tcpdump -A.
//
//   unshare --user --map-root-user --net sh -c 'ip link set lo up; (sleep 1; ping -c 3 127.0.0.1) & node nflog.mjs'
//
// Needs CAP_NET_ADMIN in the network namespace, and Linux 5.12: the table is the socket's, so it goes however the program ends.
import * as netlink from "@nlring/netlink";

// include/uapi/linux/netfilter/nfnetlink.h, nfnetlink_log.h, nf_tables.h
const [BATCH_BEGIN, BATCH_END, NEWTABLE, NEWCHAIN, NEWRULE] = [0x10, 0x11, 0xa00, 0xa03, 0xa06];
const [PACKET, CONFIG, PREFIX, PAYLOAD] = [0x400, 0x401, 10, 9];
const [NFTABLES, INET, OWNER, INPUT, BIND, GROUP] = [10, 1, 2, 1, 1, 5];

const { attributes, message, string, uint8, uint16Network, uint32Network } = netlink;
const header = netlink.struct({ family: uint8, version: uint8, resource: uint16Network });
const config = message(header, { command: [1, uint8], threshold: [5, uint32Network] });
const batch = message(header, {});
const table = message(header, { name: [1, string], flags: [2, uint32Network] });
const hook = attributes({ number: [1, uint32Network], priority: [2, uint32Network] });
const chain = message(header, { table: [1, string], name: [3, string], hook: [4, hook], type: [7, string] });
const log = attributes({ group: [1, uint16Network], prefix: [2, string] });
const expressions = netlink.indexed(attributes({ name: [1, string], data: [2, log] }));
const rule = message(header, { table: [1, string], chain: [2, string], expressions: [4, expressions] });

const own = { family: INET, table: "nflog" };
const input = { ...own, name: "input", hook: { number: INPUT, priority: 0 }, type: "filter" };
const logged = {
  ...own,
  chain: "input",
  expressions: [{ name: "log", data: { group: GROUP, prefix: "in: " } }],
};

const socket = await netlink.NetlinkSocket.open(netlink.NETLINK_NETFILTER, { receiveBuffer: 1 << 20 });
// A threshold of one packet: else the kernel gathers them for up to a second.
await socket.request(config.message(CONFIG, { resource: GROUP, command: BIND, threshold: 1 }));
await socket.request([
  { ...batch.message(BATCH_BEGIN, { resource: NFTABLES }), acknowledge: false },
  table.message(NEWTABLE, { family: INET, name: "nflog", flags: OWNER }, netlink.NLM_F_CREATE),
  chain.message(NEWCHAIN, input, netlink.NLM_F_CREATE),
  rule.message(NEWRULE, logged, netlink.NLM_F_CREATE),
  { ...batch.message(BATCH_END, { resource: NFTABLES }), acknowledge: false },
]);
console.log(`logging group ${GROUP}`);

for (;;) {
  const packet = socket.take();
  if (packet === undefined) {
    await socket.readable(); // rejects when the socket is lost
    continue;
  }
  // Any process may send to this port; the kernel's own is 0.
  if (packet.type === PACKET && packet.senderPort === 0) {
    const fields = packet.attributes(header.size);
    let prefix = "";
    let text = "";
    while (fields.next()) {
      if (fields.type === PREFIX) prefix = fields.string();
      // In place: these bytes are the ring's until the release.
      else if (fields.type === PAYLOAD) text = String.fromCharCode(...fields.bytes().subarray(0, 128));
    }
    console.log(prefix + text.replace(/[^ -~]/g, "."));
  }
  packet.release();
}
