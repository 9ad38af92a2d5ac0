/* Loaded into a server by a test: once the file $FAULT_TRIGGER appears, system calls of a kind fail with EIO in every thread, as
 * on a disk that breaks. Done by the kernel's filter, as the server does not reach the disk through the C library. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CALL(number)                                                  \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, 1),              \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO)
#define LOAD_NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static struct sock_filter syncs[] = {
    LOAD_NUMBER, CALL(SYS_fdatasync), CALL(SYS_fsync), CALL(SYS_syncfs), ALLOW};
static struct sock_filter writes[] = {
    LOAD_NUMBER, CALL(SYS_fdatasync), CALL(SYS_fsync), CALL(SYS_syncfs), CALL(SYS_pwrite64), ALLOW};
static struct sock_filter reads[] = {LOAD_NUMBER, CALL(SYS_pread64), ALLOW};

static void *watch(void *unused) {
    (void)unused;
    const char *trigger = getenv("FAULT_TRIGGER");
    const char *kind = getenv("FAULT_KIND");
    struct sock_fprog program = {sizeof syncs / sizeof *syncs, syncs};
    if (strcmp(kind, "writes") == 0) {
        program = (struct sock_fprog){sizeof writes / sizeof *writes, writes};
    } else if (strcmp(kind, "reads") == 0) {
        program = (struct sock_fprog){sizeof reads / sizeof *reads, reads};
    }
    while (access(trigger, F_OK) != 0) {
        usleep(1000);
    }
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0) {
        /* The test must not pass because nothing was broken. */
        _exit(97);
    }
    return NULL;
}

__attribute__((constructor)) static void begin(void) {
    pthread_t thread;
    if (getenv("FAULT_TRIGGER") != NULL && pthread_create(&thread, NULL, watch, NULL) != 0) {
        _exit(98);
    }
}
