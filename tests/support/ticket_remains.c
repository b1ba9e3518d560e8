/* Gets a ticket, wipes its own buffer, and counts what is left of the ticket in its stack, heap and data. */
#define _GNU_SOURCE
#include "TicketApi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Put together when needed, so that the program itself does not have it. */
static int is_trace(const char *at) {
    return memcmp(at, "SECRET", 6) == 0 && memcmp(at + 6, "-ticket-", 8) == 0;
}

static unsigned traces_between(const char *start, const char *end) {
    unsigned count = 0;
    for (; start + 14 <= end; start++)
        count += (unsigned)is_trace(start);
    return count;
}

int main(void) {
    static char maps[1 << 16];
    char line[512], ticket[254], *start, *end, access[5];
    unsigned used = 0, traces = 0;
    const TCK_API_INSTANCE instance = _TcktApi_Initialize();
    if (_TcktApi_getTicket(instance, ticket, sizeof ticket, &used) != TCK_API_SUCCESS || !is_trace(ticket))
        return 1;
    explicit_bzero(ticket, sizeof ticket);
    FILE *file = fopen("/proc/self/maps", "r");
    if (file == NULL)
        return 2;
    setvbuf(file, maps, _IOFBF, sizeof maps);
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "%p-%p %4s", (void **)&start, (void **)&end, access) == 3 && memcmp(access, "rw", 2) == 0)
            traces += traces_between(start, end);
    printf("%u bytes came, %u traces\n", used, traces);
    return 0;
}
