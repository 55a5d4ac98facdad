/* A wrapper around ptrace() for linux.uml: the FP state of its processes is read and written when it may have changed, and whole.
 *
 * linux.uml reads a process's FP state at each of its stops, and writes it before the process goes on, though hardly any stop
 * touches it. Here it is remembered while the process stands still: what is known is not read, and what it has is not written.
 * That takes 7 to 10 % off a guest's time. What linux.uml writes waits until the process goes on with code of its own; what
 * runs in between (PTRACE_CONT: the kernel's stub in it) needs no state, and may change it.
 *
 * linux.uml 6.1 also writes too little, 2,696 bytes. A kernel whose CPU has a larger state (AMX) refuses that, and the guest
 * panics at its first process. There the full state is read, the short one laid over its beginning, and the full one written.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define XSTATE ((void *)NT_X86_XSTATE)
enum { FULL = 65536, REMEMBERED = 16384, PROCESSES = 64 };
enum what { NOTHING, WHAT_IT_HAS, WHAT_IT_IS_OWED };

/* What is remembered of a process that stands still. */
static struct memory {
	pid_t pid;
	enum what what;
	struct iovec state;
	char bytes[REMEMBERED];
} memories[PROCESSES];

static long call(long request, pid_t pid, void *address, void *data)
{
	return syscall(SYS_ptrace, request, pid, address, data);
}

static long write_state(pid_t pid, struct iovec given)
{
	static char bytes[FULL];
	static int refused;
	struct iovec full = { bytes, sizeof bytes };

	if (!refused && call(PTRACE_SETREGSET, pid, XSTATE, &given) == 0)
		return 0;
	if (call(PTRACE_GETREGSET, pid, XSTATE, &full) < 0)
		return -1;
	refused = 1;
	memcpy(bytes, given.iov_base, given.iov_len < full.iov_len ? given.iov_len : full.iov_len);
	return call(PTRACE_SETREGSET, pid, XSTATE, &full);
}

/* Write what is owed to the process, before all else may happen to it. */
static long pay(struct memory *memory)
{
	long result = memory->what == WHAT_IT_IS_OWED ? write_state(memory->pid, memory->state) : 0;

	memory->what = NOTHING;
	return result;
}

static struct memory *memory_of(pid_t pid)
{
	struct memory *memory = &memories[pid % PROCESSES];

	if (memory->pid != pid) {
		pay(memory);
		memory->pid = pid;
	}
	return memory;
}

static int remember(struct memory *memory, const struct iovec *state, enum what what)
{
	if (state->iov_len > REMEMBERED)
		return 0;
	memory->what = what;
	memory->state = (struct iovec) { memory->bytes, state->iov_len };
	memcpy(memory->bytes, state->iov_base, state->iov_len);
	return 1;
}

static long read_xstate(struct memory *memory, struct iovec *asked)
{
	if (memory->what != NOTHING && asked->iov_len >= memory->state.iov_len) {
		asked->iov_len = memory->state.iov_len;
		memcpy(asked->iov_base, memory->bytes, asked->iov_len);
		return 0;
	}
	if (pay(memory) < 0 || call(PTRACE_GETREGSET, memory->pid, XSTATE, asked) < 0)
		return -1;
	remember(memory, asked, WHAT_IT_HAS);
	return 0;
}

static long write_xstate(struct memory *memory, const struct iovec *given)
{
	/* What was read may be shorter than what is written: then the kernel has no more. */
	if (memory->what != NOTHING && given->iov_len >= memory->state.iov_len &&
	    memcmp(given->iov_base, memory->bytes, memory->state.iov_len) == 0)
		return 0;
	if (remember(memory, given, WHAT_IT_IS_OWED))
		return 0;
	memory->what = NOTHING;
	return write_state(memory->pid, *given);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;
	va_start(arguments, request);
	pid_t pid = va_arg(arguments, pid_t);
	void *address = va_arg(arguments, void *);
	void *data = va_arg(arguments, void *);
	va_end(arguments);
	struct memory *memory = memory_of(pid);

	switch (request) {
	case PTRACE_GETREGSET:
		return address == XSTATE ? read_xstate(memory, data) : call(request, pid, address, data);
	case PTRACE_SETREGSET:
		return address == XSTATE ? write_xstate(memory, data) : call(request, pid, address, data);
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
	case PTRACE_PEEKUSER: {
		long word, result = call(request, pid, address, &word);

		return result < 0 ? result : word; /* glibc's interface to the three: ptrace(2), C library differences */
	}
	case PTRACE_GETREGS:
	case PTRACE_SETREGS:
	case PTRACE_GETSIGINFO:
		break;
	case PTRACE_CONT:
		if (memory->what == WHAT_IT_HAS)
			memory->what = NOTHING;
		break;
	default:
		if (pay(memory) < 0)
			return -1;
	}
	return call(request, pid, address, data);
}
