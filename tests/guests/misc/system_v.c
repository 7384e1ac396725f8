// System V message queues, semaphores and shared memory work between parent and child, where they exist.
#include "guest.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

int main(void) {
    int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600), semaphore = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    int memory = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    if (queue == -1 || semaphore == -1 || memory == -1) {
        if (queue != -1)
            msgctl(queue, IPC_RMID, NULL);
        if (semaphore != -1)
            semctl(semaphore, 0, IPC_RMID);
        if (memory != -1)
            shmctl(memory, IPC_RMID, NULL);
        SKIP("System V IPC is not available");
    }
    int *shared = shmat(memory, NULL, 0);
    // Marked for removal at once, so that nothing stays behind whatever happens.
    int removed = shmctl(memory, IPC_RMID, NULL);
    struct {
        long type;
        char text[32];
    } message = {1, ""};
    struct sembuf down = {0, -1, 0}, up = {0, 1, 0};
    pid_t child = shared == (void *)-1 || removed == -1 ? -1 : fork();
    if (child == 0) {
        snprintf(message.text, sizeof message.text, "from %d", (int)getpid());
        shared[0] = (int)getpid();
        int failed = msgsnd(queue, &message, sizeof message.text, 0) || semop(semaphore, &up, 1);
        _exit(failed);
    }
    int waited = child > 0 ? semop(semaphore, &down, 1) : -1;
    ssize_t received = waited == 0 ? msgrcv(queue, &message, sizeof message.text, 1, 0) : -1;
    msgctl(queue, IPC_RMID, NULL);
    semctl(semaphore, 0, IPC_RMID);
    CHECK(child > 0 && waited == 0 && received == sizeof message.text);
    reap_exit(child, 0);
    CHECK(shared[0] == child && atoi(message.text + 5) == child && shmdt(shared) == 0);
    say("queue %d semaphore %d memory %d: %s\n", queue, semaphore, memory, message.text);
    return success();
}
