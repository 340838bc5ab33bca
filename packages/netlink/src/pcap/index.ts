export { type PcapRecord, readPcap } from "./pcap-reader.js";
export { type PcapOptions, PcapWriter } from "./pcap-writer.js";
