/* A made-up clinical program of a Windows PC, as it was: it loads TicketApiDll.dll, and opens, checks, renews or closes
 * the person's session.
 *
 *     clinic open | check | renew | close
 */
#define TICKET_API_TYPES
#include <windows.h>

#include <stdio.h>
#include <string.h>

#include "TicketApi.h"

static HMODULE dll;
static TCK_API_INSTANCE api;

static int fail(DWORD error) {
    _TcktApi_getErrorDescription *getErrorDescription =
        (_TcktApi_getErrorDescription *)GetProcAddress(dll, "_TcktApi_getErrorDescription");
    char text[254] = "unknown error";
    unsigned int length = 0;

    getErrorDescription(api, error, text, sizeof(text), &length);
    printf("Error 0x%08X: %s\n", error, text);
    return 1;
}

static int showTicket(const char *function) {
    _TcktApi_getTicket *getTicket = (_TcktApi_getTicket *)GetProcAddress(dll, function);
    char ticket[1024];
    unsigned int length = 0;
    int error = getTicket(api, ticket, sizeof(ticket), &length);

    if (error != TCK_API_SUCCESS)
        return fail((DWORD)error);
    printf("Ticket of %u bytes: %s\n", length, ticket);
    return 0;
}

static int closeSession(void) {
    _TcktApi_destroyTicket *destroyTicket = (_TcktApi_destroyTicket *)GetProcAddress(dll, "_TcktApi_destroyTicket");
    int error = destroyTicket(api);

    if (error != TCK_API_SUCCESS)
        return fail((DWORD)error);
    printf("Closed\n");
    return 0;
}

static int run(const char *command) {
    if (strcmp(command, "open") == 0)
        return showTicket("_TcktApi_getTicket");
    if (strcmp(command, "check") == 0)
        return showTicket("_TcktApi_getTicketNoAuth");
    if (strcmp(command, "renew") == 0)
        return showTicket("_TcktApi_getNewTicket");
    return closeSession();
}

int main(int argc, char *argv[]) {
    int result;

    dll = LoadLibraryA("TicketApiDll.dll");
    if (dll == NULL || argc != 2)
        return 2;
    api = ((_TcktApi_Initialize *)GetProcAddress(dll, "_TcktApi_Initialize"))();
    if (api == 0)
        return fail(((_TcktApi_getLastError *)GetProcAddress(dll, "_TcktApi_getLastError"))(0));
    result = run(argv[1]);
    ((_TcktApi_Finalize *)GetProcAddress(dll, "_TcktApi_Finalize"))(api);
    FreeLibrary(dll);
    return result;
}
