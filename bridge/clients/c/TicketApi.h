/* TicketApi.h - the ticket of the person who is signed in, for programs of a desktop session. Functions and codes are
 * those of the Windows agent's TicketApiDll.dll, so that a program written for it needs no change. Text is UTF-8 and ends
 * with a NUL byte, which the used size does not count; whoever does not want that size passes NULL. A call that fails
 * changes none of its arguments. Any thread may call. Link with -lTicketApiDll.
 *
 * A program that loads the library by itself defines TICKET_API_TYPES before it includes this file. The names are then
 * function types, as in the Windows agent's header:
 *
 *     _TcktApi_getTicket *get_ticket = (_TcktApi_getTicket *)dlsym(library, "_TcktApi_getTicket");
 */
#ifndef TICKET_API_H
#define TICKET_API_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef TICKET_API_TYPES
#define TICKET_API typedef
#else
#define TICKET_API __attribute__((visibility("default"))) extern
#endif

typedef uint32_t DWORD;
typedef long TCK_API_INSTANCE; /* a number of at most 31 bits; 0: none */

/* A new instance, or 0: then _TcktApi_getLastError(0) says why. No agent need be running yet. */
TICKET_API TCK_API_INSTANCE _TcktApi_Initialize(void);
TICKET_API int _TcktApi_Finalize(TCK_API_INSTANCE instance);

/* A version, 0x00010203 for 1.2.3, or 0. The library's own needs no instance; the engine is the agent. */
TICKET_API DWORD _TcktApi_GetGAVersion(TCK_API_INSTANCE instance, int component);
TICKET_API DWORD GetDllVersion(void);
#define GATICKET_VERSION_API 1
#define GATICKET_VERSION_ENGINE 2

/* The current ticket. When nobody is signed in, the agent asks for card and passcode, for five minutes at most. */
TICKET_API int _TcktApi_getTicket(TCK_API_INSTANCE instance, char *buffer, unsigned size, unsigned *used);

/* The current ticket, or TCK_API_ERR_TICKET_NOT_AVAILABLE at once. */
TICKET_API int _TcktApi_getTicketNoAuth(TCK_API_INSTANCE instance, char *buffer, unsigned size, unsigned *used);

/* A new ticket: the agent asks for card and passcode though somebody is signed in. */
TICKET_API int _TcktApi_getNewTicket(TCK_API_INSTANCE instance, char *buffer, unsigned size, unsigned *used);

TICKET_API int _TcktApi_destroyTicket(TCK_API_INSTANCE instance); /* logs out */

/* How the instance's last call ended. */
TICKET_API DWORD _TcktApi_getLastError(TCK_API_INSTANCE instance);

/* A sentence about a code, the agent's own if it sent one with the instance's last error. At most 253 bytes. */
TICKET_API int _TcktApi_getErrorDescription(TCK_API_INSTANCE instance, DWORD code, char *buffer, unsigned size,
                                            unsigned *used);

/* Returns 0: the agent of a remote session is found as a local one is. */
TICKET_API int _TcktApi_isTerminalServiceSession(TCK_API_INSTANCE instance);

#define TCK_API_SUCCESS 0x00000000
#define TCK_API_ERR_INTERNAL 0x80100001
#define TCK_API_ERR_NOT_INITIALIZED 0x80100002
#define TCK_API_ERR_INVALID_PARAMETER 0x80100003
#define TCK_API_ERR_BUFFER_TOO_SMALL 0x80100004
#define TCK_API_ERR_INVALID_INSTANCE_HANDLE 0x80100005
#define TCK_API_ERR_SERVER_BUSY 0x80100006
#define TCK_API_ERR_SERVER_COMM_FAILED 0x80100007
#define TCK_API_ERR_RESOURCE_ALLOCATION_FAILED 0x80100008
#define TCK_API_ERR_TICKET_NOT_AVAILABLE 0x80100009
#define TCK_API_ERR_INTERNAL_ERROR 0x8010000A
#define TCK_API_ERR_NOT_IMPLEMENTED 0x8010000B
#define TCK_API_ERR_SMARTCARD_NOT_SUPPORTED 0x80200001
#define TCK_API_ERR_READER_NOT_AVAILABLE 0x80200002
#define TCK_API_ERR_SMARTCARD_NOT_VALID 0x80200003
#define TCK_API_ERR_PIN_BLOCKED 0x80200004
#define TCK_API_ERR_CARD_TRANSACTION_FAILED 0x80200005
#define TCK_API_ERR_NO_CERT_FOUND 0x80200006
#define TCK_API_ERR_NO_KEY_FOUND 0x80200007
#define TCK_API_ERR_USER_ABORT 0x80400001
#define TCK_API_ERR_AUTHENTICATION_FAILED 0x80400002
#define TCK_API_ERR_AUTHENTICATION_NOT_POSSIBLE 0x80400003
#define TCK_API_ERR_USER_NOT_VALID 0x80400004
#define TCK_API_ERR_AUTHSERVER_NOT_AVAILABLE 0x80400005
#define TCK_API_ERR_AUTHDATA_SYNTAX_ERROR 0x80400006
#define TCK_API_ERR_AUTH_NOT_VALID 0x80400007
#define TCK_API_ERR_AUTHMETHOD_NOT_SUPPORTED 0x80400008
#define TCK_API_ERR_VERSION_CONFLICT 0x80800001
#define TCK_API_ERR_NOT_INSTALLED 0x80800002
#define TCK_API_ERR_NO_SERVERFOUND 0x80800003
#define TCK_API_ERR_LOAD_RES_FAILED 0x80800004
#define TCK_API_ERR_AUTHMETHOD_NOT_AVAILABLE 0x80800005
#define TCK_API_ERR_AUTHMETHOD_NOT_POSSIBLE 0x80800006
#define TCK_API_ERR_RESOURCE_NOT_AVAILABLE 0x80800007

#ifdef __cplusplus
}
#endif

#endif
