/* ticket_calls CALL... - makes calls of TicketApi.h, one after another, and says after each: its name, its result in hex,
 * the used size, and the buffer. Buffers are of exactly the size given, so that a sanitizer sees each byte too many;
 * before a call they are full of '#', and the used size is 77.
 *
 *   init  use=INSTANCE  finalize  last  api  agent  other  dll  remote  destroy
 *   ticket=SIZE  noauth=SIZE  new=SIZE  describe=CODE,SIZE      SIZE 0: no buffer at all
 *   alarms      interrupts every millisecond from now on
 *   threads=N   N threads, each with an instance of its own, make 50 calls each; says how many got what they should
 */
#define _DEFAULT_SOURCE
#include "TicketApi.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

static TCK_API_INSTANCE instance;

typedef int get(TCK_API_INSTANCE instance, char *buffer, unsigned size, unsigned *used);

static DWORD code_to_describe;

static int describe(TCK_API_INSTANCE number, char *buffer, unsigned size, unsigned *used) {
    return _TcktApi_getErrorDescription(number, code_to_describe, buffer, size, used);
}

static void call_with_buffer(const char *name, get *function, unsigned size) {
    char *buffer = size > 0 ? malloc(size) : NULL;
    unsigned used = 77;
    if (buffer != NULL)
        memset(buffer, '#', size);
    const DWORD code = (DWORD)function(instance, buffer, size, &used);
    printf("%s %08X %u %.*s\n", name, code, used, (int)size, buffer != NULL ? buffer : "");
    free(buffer);
}

static void say(const char *name, unsigned long result) {
    printf("%s %08lX\n", name, result);
}

static void ignore(int signal) {
    (void)signal;
}

static void start_alarms(void) {
    const struct itimerval every_millisecond = {{0, 1000}, {0, 1000}};
    struct sigaction action = {.sa_handler = ignore};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every_millisecond, NULL);
}

/* A thread's instance gets a ticket and its own error by turns; nobody else's error may show. */
static void *make_calls(void *good) {
    const TCK_API_INSTANCE own = _TcktApi_Initialize();
    char ticket[254], none[2];
    for (int i = 0; i < 50; i++) {
        const int code = _TcktApi_getTicket(own, ticket, sizeof ticket, NULL);
        *(int *)good += code == TCK_API_SUCCESS && _TcktApi_getLastError(own) == TCK_API_SUCCESS;
        _TcktApi_getTicket(own, none, sizeof none, NULL);
        *(int *)good += _TcktApi_getLastError(own) == TCK_API_ERR_BUFFER_TOO_SMALL;
    }
    _TcktApi_Finalize(own);
    return NULL;
}

static void run_threads(int count) {
    pthread_t threads[64];
    int good[64] = {0}, sum = 0;
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, make_calls, &good[i]);
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        sum += good[i];
    }
    printf("threads %d\n", sum);
}

static int is_call(const char *call, const char *name) {
    return strcmp(call, name) == 0;
}

static void make(char *call) {
    char *argument = strchr(call, '=');
    unsigned long number = 0;
    if (argument != NULL) {
        *argument++ = '\0';
        number = strtoul(argument, &argument, 0);
    }
    if (is_call(call, "init"))
        say(call, (unsigned long)(instance = _TcktApi_Initialize()));
    else if (is_call(call, "use"))
        instance = (TCK_API_INSTANCE)number;
    else if (is_call(call, "finalize"))
        say(call, (DWORD)_TcktApi_Finalize(instance));
    else if (is_call(call, "last"))
        say(call, _TcktApi_getLastError(instance));
    else if (is_call(call, "api"))
        say(call, _TcktApi_GetGAVersion(instance, GATICKET_VERSION_API));
    else if (is_call(call, "agent"))
        say(call, _TcktApi_GetGAVersion(instance, GATICKET_VERSION_ENGINE));
    else if (is_call(call, "other"))
        say(call, _TcktApi_GetGAVersion(instance, 3));
    else if (is_call(call, "dll"))
        say(call, GetDllVersion());
    else if (is_call(call, "remote"))
        say(call, (DWORD)_TcktApi_isTerminalServiceSession(instance));
    else if (is_call(call, "destroy"))
        say(call, (DWORD)_TcktApi_destroyTicket(instance));
    else if (is_call(call, "ticket"))
        call_with_buffer(call, _TcktApi_getTicket, (unsigned)number);
    else if (is_call(call, "noauth"))
        call_with_buffer(call, _TcktApi_getTicketNoAuth, (unsigned)number);
    else if (is_call(call, "new"))
        call_with_buffer(call, _TcktApi_getNewTicket, (unsigned)number);
    else if (is_call(call, "describe")) {
        code_to_describe = (DWORD)number;
        call_with_buffer(call, describe, (unsigned)strtoul(argument + 1, NULL, 0));
    } else if (is_call(call, "alarms"))
        start_alarms();
    else if (is_call(call, "threads"))
        run_threads((int)number);
    else
        exit(2);
}

int main(int count, char *calls[]) {
    for (int i = 1; i < count; i++)
        make(calls[i]);
    return 0;
}
