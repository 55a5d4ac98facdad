/* A wrapper around ptrace() for linux.uml on CPUs with a large extended state (AMX).
 *
 * linux.uml 6.1 writes its processes' FP state back through a buffer of 2,696 bytes. A kernel whose CPU has more refuses
 * such a short write, and the guest panics at its first process. Here the full state is read, the short one is laid over
 * its beginning, and the full one is written. Everything else goes through unchanged.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char state[65536];

static long write_xstate(pid_t pid, void *address, const struct iovec *given)
{
	struct iovec full = { state, sizeof state };

	if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, address, &full) < 0)
		return -1;
	memcpy(state, given->iov_base, given->iov_len < full.iov_len ? given->iov_len : full.iov_len);
	return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, address, &full);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;
	va_start(arguments, request);
	pid_t pid = va_arg(arguments, pid_t);
	void *address = va_arg(arguments, void *);
	void *data = va_arg(arguments, void *);
	va_end(arguments);

	if (request == PTRACE_SETREGSET && (long)address == NT_X86_XSTATE)
		return write_xstate(pid, address, data);
	if (request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER) {
		long word, result = syscall(SYS_ptrace, request, pid, address, &word);

		return result < 0 ? result : word; /* glibc's interface to the three: ptrace(2), C library differences */
	}
	return syscall(SYS_ptrace, request, pid, address, data);
}
