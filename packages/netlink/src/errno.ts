/**
 * Linux error numbers by name (include/uapi/asm-generic/errno-base.h and errno.h). Node's own table follows the
 * system it runs on; netlink's numbers are Linux's wherever a message is read.
 */
const NAMES: readonly string[] = [
  "OK EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY",
  "EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE",
  "EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP - ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST",
  "ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT - EBFONT ENOSTR ENODATA ETIME ENOSR",
  "ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD",
  "EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE",
  "EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE",
  "EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN",
  "ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL",
  "EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED",
  "EOWNERDEAD ENOTRECOVERABLE ERFKILL EHWPOISON",
].flatMap((line) => line.split(" "));

/** The name of a Linux error number of either sign, such as "ENOENT" for -2; "E" and the number where it has none. */
export function errnoName(errno: number): string {
  const number = Math.abs(errno);
  const name = NAMES[number];
  // 524 (ENOTSUPP) is the kernel's own and is not meant to reach user space, but netlink replies carry it.
  if (number === 524) return "ENOTSUPP";
  return name === undefined || name === "-" ? `E${number}` : name;
}

export const EPERM = -1;
export const ENOENT = -2;
export const ESRCH = -3;
export const EBADF = -9;
export const EAGAIN = -11;
export const ENOMEM = -12;
export const EBUSY = -16;
export const EEXIST = -17;
export const ENODEV = -19;
export const EINVAL = -22;
export const ENOSPC = -28;
export const ERANGE = -34;
export const EMSGSIZE = -90;
export const ENOPROTOOPT = -92;
export const EOPNOTSUPP = -95;
export const EADDRNOTAVAIL = -99;
export const ENETDOWN = -100;
export const ENOBUFS = -105;
export const ECONNREFUSED = -111;
