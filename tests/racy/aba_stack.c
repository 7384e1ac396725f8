// ABA in a lock-free stack: pop reads the top and its successor, and the exchange succeeds although the top left and came back.
#include "racy.h"

enum { NODES = 3, THREADS = 2, ROUNDS = 8 };
static struct node {
    struct node *_Atomic next;
    atomic_int owners;
    struct timespec taken;
} nodes[NODES];
static struct node *_Atomic top;
static atomic_int doubly;

static struct node *pop(void) {
    struct timespec now;
    struct node *first = top;
    while (first) {
        struct node *second = first->next;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (atomic_compare_exchange_strong(&top, &first, second)) {
            first->taken = now;
            return first;
        }
    }
    return NULL;
}

static void push(struct node *node) {
    struct node *first = top;
    do
        node->next = first;
    while (!atomic_compare_exchange_strong(&top, &first, node));
}

static struct node *take(void) {
    struct node *node = pop();
    if (node && atomic_fetch_add(&node->owners, 1) != 0)
        doubly = 1;
    return node;
}

static void give(struct node *node) {
    if (!node)
        return;
    atomic_fetch_sub(&node->owners, 1);
    push(node);
}

static void *worker(void *unused) {
    for (int i = 0; i < ROUNDS && !doubly; i++) {
        struct node *one = take(), *two = take();
        log_line("at work\n");
        give(one);
        give(two);
    }
    return unused;
}

int main(void) {
    for (int i = 0; i < NODES; i++)
        push(&nodes[i]);
    log_line("open\n");
    pthread_t workers[THREADS];
    for (int i = 0; i < THREADS; i++)
        thread(&workers[i], worker, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(workers[i], NULL);
    int left = 0;
    for (struct node *node = top; node && left <= NODES; node = node->next)
        left++;
    return verdict(doubly || left != NODES, "every node has one owner, and all come back");
}
