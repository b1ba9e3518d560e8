/* TicketApi.c - libTicketApiDll.so: tickets from the agent of this desktop session.
 *
 * Each call connects to $XDG_RUNTIME_DIR/lanyard/agent, sends one Varlink request and reads one reply: a JSON object
 * and a NUL byte (https://varlink.org/Method-Call). Nothing is allocated. A reply, and all that points into it, belongs
 * to the function that has it on its stack, which wipes it if it asked for a ticket. An instance is a row of a table; a
 * program holds no more than its number, so that a wrong or an old one is an error and no wild pointer.
 */
#define _GNU_SOURCE
#include "TicketApi.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* JNI and callbacks prescribe parameters that not every function needs. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

#define LIBRARY_VERSION 0x00010100
#define COUNT(array) (sizeof(array) / sizeof *(array))
#ifndef MILLISECONDS
#define MILLISECONDS 1000 /* of a second; tests have shorter ones */
#endif

enum {
    CONNECT_SECONDS = 5, /* until the agent takes a call */
    REPLY_SECONDS = 30,  /* until its reply is there, but for a person's time */
    REPLY_SIZE = 16384,  /* bytes of a reply with its NUL; a ticket has about a hundred */
    DEEPEST = 16,        /* JSON objects and arrays within each other */
    SENTENCE_SIZE = 254, /* known programs have 254 bytes for a description */
    ROWS = 1024,         /* instances at a time, and one row for calls without any */
};

/* --- Codes -------------------------------------------------------------------------------------------------------- */

/* GATicket has codes of its own, and fewer: 1 internal, 2 not installed, 3 not initialised, 4 buffer too small, 5 no
 * server found, 6 version conflict, 7 invalid handle, 8 user abort, 9 authentication failed, 10 authentication not
 * possible, 0x100 internal. */
static const struct outcome {
    DWORD code;
    int java;
    const char *sentence;
} outcomes[] = {
    {TCK_API_SUCCESS, 0, "Done."},
    {TCK_API_ERR_INTERNAL, 1, "The ticket library failed."},
    {TCK_API_ERR_NOT_INITIALIZED, 3, "The ticket library has not been initialised."},
    {TCK_API_ERR_INVALID_PARAMETER, 1, "An argument of the call is wrong."},
    {TCK_API_ERR_BUFFER_TOO_SMALL, 4, "The buffer is too small."},
    {TCK_API_ERR_INVALID_INSTANCE_HANDLE, 7, "There is no such instance, or it has been finalised."},
    {TCK_API_ERR_SERVER_BUSY, 1, "The agent is busy."},
    {TCK_API_ERR_SERVER_COMM_FAILED, 1, "The agent gave no answer, or one that makes no sense."},
    {TCK_API_ERR_RESOURCE_ALLOCATION_FAILED, 1, "There are too many instances or open files."},
    {TCK_API_ERR_TICKET_NOT_AVAILABLE, 10, "Nobody is signed in."},
    {TCK_API_ERR_INTERNAL_ERROR, 0x100, "The agent failed."},
    {TCK_API_ERR_NOT_IMPLEMENTED, 0x100, "The agent does not know this call."},
    {TCK_API_ERR_SMARTCARD_NOT_SUPPORTED, 10, "This kind of smartcard is not supported."},
    {TCK_API_ERR_READER_NOT_AVAILABLE, 10, "There is no smartcard reader."},
    {TCK_API_ERR_SMARTCARD_NOT_VALID, 10, "The smartcard is not valid."},
    {TCK_API_ERR_PIN_BLOCKED, 10, "The smartcard's passcode is locked."},
    {TCK_API_ERR_CARD_TRANSACTION_FAILED, 10, "The smartcard did not answer as it should."},
    {TCK_API_ERR_NO_CERT_FOUND, 10, "The smartcard has no certificate to sign in with."},
    {TCK_API_ERR_NO_KEY_FOUND, 10, "The smartcard has no key to sign in with."},
    {TCK_API_ERR_USER_ABORT, 8, "The person did not sign in."},
    {TCK_API_ERR_AUTHENTICATION_FAILED, 9, "Signing in failed."},
    {TCK_API_ERR_AUTHENTICATION_NOT_POSSIBLE, 10, "Nobody can sign in at present."},
    {TCK_API_ERR_USER_NOT_VALID, 9, "This person may not sign in."},
    {TCK_API_ERR_AUTHSERVER_NOT_AVAILABLE, 5, "The sign-in server cannot be reached."},
    {TCK_API_ERR_AUTHDATA_SYNTAX_ERROR, 9, "The sign-in server's answer makes no sense."},
    {TCK_API_ERR_AUTH_NOT_VALID, 9, "The sign-in is not valid."},
    {TCK_API_ERR_AUTHMETHOD_NOT_SUPPORTED, 10, "This way to sign in is not supported."},
    {TCK_API_ERR_VERSION_CONFLICT, 6, "The agent and the ticket library do not fit together."},
    {TCK_API_ERR_NOT_INSTALLED, 2, "This is no desktop session: XDG_RUNTIME_DIR names no folder."},
    {TCK_API_ERR_NO_SERVERFOUND, 5, "The agent is not running in this session."},
    {TCK_API_ERR_LOAD_RES_FAILED, 2, "A part of the agent cannot be loaded."},
    {TCK_API_ERR_AUTHMETHOD_NOT_AVAILABLE, 2, "This way to sign in is not installed."},
    {TCK_API_ERR_AUTHMETHOD_NOT_POSSIBLE, 2, "This way to sign in does not work here."},
    {TCK_API_ERR_RESOURCE_NOT_AVAILABLE, 2, "A part of the agent is missing."},
};

/* Returns a code's row, or NULL. */
static const struct outcome *outcome_of(DWORD code) {
    for (size_t row = 0; row < COUNT(outcomes); row++)
        if (outcomes[row].code == code)
            return &outcomes[row];
    return NULL;
}

/* --- Reading a reply ---------------------------------------------------------------------------------------------- */

/* Texts are NULL where the reply has none, and else lie in `bytes`, decoded in place. */
struct reply {
    char bytes[REPLY_SIZE];
    DWORD code;
    char *error, *says, *ticket, *version;
};

/* Reads JSON (RFC 8259) that ends with a NUL. No rule matches the NUL, so that nothing goes beyond it. A function that
 * returns false has refused the whole reply, and leaves the reader anywhere. */
struct reader {
    char *at;
    int depth;
};

typedef bool read_item(struct reader *in, const char *name, struct reply *reply);
#define SPACES " \t\r\n"
#define DIGITS "0123456789"

static size_t skip_any(struct reader *in, const char *characters) {
    const size_t count = strspn(in->at, characters);
    in->at += count;
    return count;
}

/* Takes a character, if it is the next one after spaces. */
static bool take(struct reader *in, char wanted) {
    skip_any(in, SPACES);
    if (*in->at != wanted)
        return false;
    in->at++;
    return true;
}

/* Reads a character in UTF-8 (RFC 3629: in its shortest form, and no surrogate). */
static bool read_utf8(struct reader *in, uint32_t *point) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *at = (const unsigned char *)in->at;
    const size_t size = *at < 0x80 ? 1 : *at >> 5 == 0x06 ? 2 : *at >> 4 == 0x0E ? 3 : *at >> 3 == 0x1E ? 4 : 0;
    *point = size == 1 ? *at : *at & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if (at[i] >> 6 != 2)
            return false;
        *point = *point << 6 | (at[i] & 0x3F);
    }
    in->at += size;
    return size > 0 && *point >= least[size] && *point <= 0x10FFFF && *point >> 11 != 0x1B;
}

/* Writes a code point as UTF-8. Returns where it ends. */
static char *write_utf8(char *at, uint32_t point) {
    static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
    const int size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (int i = size - 1; i > 0; i--, point >>= 6)
        at[i] = (char)(0x80 | (point & 0x3F));
    at[0] = (char)(leads[size] | point);
    return at + size;
}

/* Reads \uXXXX, a UTF-16 code unit. */
static bool read_unit(struct reader *in, uint32_t *unit) {
    char digits[5] = "";
    if (strncmp(in->at, "\\u", 2) != 0 || strspn(in->at + 2, "0123456789ABCDEFabcdef") < 4)
        return false;
    memcpy(digits, in->at + 2, 4);
    *unit = (uint32_t)strtoul(digits, NULL, 16);
    in->at += 6;
    return true;
}

/* Reads an escape; a surrogate pair is two of them. A NUL would end the text early, and is refused. */
static bool read_escape(struct reader *in, uint32_t *point) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char *letter = in->at[1] != '\0' ? strchr(letters, in->at[1]) : NULL;
    uint32_t low;
    if (letter != NULL) {
        *point = (uint32_t)meanings[letter - letters];
        in->at += 2;
        return true;
    }
    if (!read_unit(in, point) || *point == 0 || *point >> 10 == 0x37) /* a low surrogate comes second */
        return false;
    if (*point >> 10 != 0x36) /* no high surrogate */
        return true;
    if (!read_unit(in, &low) || low >> 10 != 0x37)
        return false;
    *point = 0x10000 + ((*point & 0x3FF) << 10 | (low & 0x3FF));
    return true;
}

/* Reads a string and decodes it in place: nothing is longer than its escape. The final NUL is a control character. */
static bool read_string(struct reader *in, char **text) {
    uint32_t point;
    if (!take(in, '"'))
        return false;
    char *end = *text = in->at;
    while (*in->at != '"') {
        const bool is_control = (unsigned char)*in->at < 0x20;
        if (is_control || !(*in->at == '\\' ? read_escape : read_utf8)(in, &point))
            return false;
        end = write_utf8(end, point);
    }
    in->at++;
    *end = '\0';
    return true;
}

static bool skip_number(struct reader *in) {
    in->at += *in->at == '-';
    const bool starts_with_0 = *in->at == '0';
    const size_t count = skip_any(in, DIGITS);
    if (count == 0 || (starts_with_0 && count > 1))
        return false;
    if (*in->at == '.' && (in->at++, skip_any(in, DIGITS) == 0))
        return false;
    if (*in->at != 'e' && *in->at != 'E')
        return true;
    in->at += in->at[1] == '+' || in->at[1] == '-' ? 2 : 1;
    return skip_any(in, DIGITS) > 0;
}

/* Reads a code: a whole number of 32 bits, once. */
static bool read_code(struct reader *in, DWORD *code) {
    char *end, *start = in->at;
    if (*code != 0 || *start == '-' || !skip_number(in))
        return false;
    const unsigned long long number = strtoull(start, &end, 10);
    *code = (DWORD)number;
    return end == in->at && number <= UINT32_MAX;
}

/* Reads an object or an array, each of its values by `item`; those of an array have no name. */
static bool read_items(struct reader *in, const char brackets[2], read_item *item, struct reply *reply) {
    char *name = NULL;
    if (!take(in, brackets[0]) || ++in->depth > DEEPEST)
        return false;
    if (!take(in, brackets[1])) {
        do {
            if (brackets[0] == '{' && !(read_string(in, &name) && take(in, ':')))
                return false;
            skip_any(in, SPACES);
            if (!item(in, name, reply))
                return false;
        } while (take(in, ','));
        if (!take(in, brackets[1]))
            return false;
    }
    in->depth--;
    return true;
}

/* Reads a value of any kind, of which nothing is kept. */
static bool skip_value(struct reader *in, const char *name, struct reply *reply) {
    static const char *const words[] = {"true", "false", "null"};
    char *text;
    if (*in->at == '"')
        return read_string(in, &text);
    if (*in->at == '{' || *in->at == '[')
        return read_items(in, *in->at == '{' ? "{}" : "[]", skip_value, reply);
    for (size_t i = 0; i < COUNT(words); i++)
        if (strncmp(in->at, words[i], strlen(words[i])) == 0) {
            in->at += strlen(words[i]);
            return true;
        }
    return skip_number(in);
}

static bool read_parameter(struct reader *in, const char *name, struct reply *reply) {
    if (strcmp(name, "code") == 0)
        return read_code(in, &reply->code);
    if (strcmp(name, "says") == 0)
        return reply->says == NULL && read_string(in, &reply->says);
    if (strcmp(name, "ticket") == 0)
        return reply->ticket == NULL && read_string(in, &reply->ticket);
    if (strcmp(name, "version") == 0)
        return reply->version == NULL && read_string(in, &reply->version);
    return skip_value(in, name, reply);
}

static bool read_member(struct reader *in, const char *name, struct reply *reply) {
    if (strcmp(name, "error") == 0)
        return reply->error == NULL && read_string(in, &reply->error);
    if (strcmp(name, "parameters") == 0)
        return read_items(in, "{}", read_parameter, reply);
    return skip_value(in, name, reply);
}

/* Reads the reply's bytes, a NUL among them. Returns its code: 0 where it is no error, and else one of the table. */
static DWORD read_reply(struct reply *reply) {
    struct reader in = {.at = reply->bytes};
    if (!read_items(&in, "{}", read_member, reply) || !take(&in, '\0')) {
        reply->says = NULL;
        return TCK_API_ERR_SERVER_COMM_FAILED;
    }
    const bool is_listed = reply->code != 0 && outcome_of(reply->code) != NULL;
    return reply->error == NULL ? TCK_API_SUCCESS : is_listed ? reply->code : TCK_API_ERR_INTERNAL_ERROR;
}

/* --- Asking the agent --------------------------------------------------------------------------------------------- */

struct request {
    const char *message; /* its NUL goes along */
    int seconds;         /* until the whole reply must be there */
};

#define METHOD(name, parameters) "{\"method\":\"" name "\",\"parameters\":{" parameters "}}"
#define WAIT "\"wait_seconds\":300" /* for a person to sign in */

static const struct request get_ticket = {METHOD("lanyard.Agent.GetTicket", WAIT), 300 + REPLY_SECONDS};
static const struct request get_new_ticket = {METHOD("lanyard.Agent.GetNewTicket", WAIT), 300 + REPLY_SECONDS};
static const struct request get_ticket_no_auth = {METHOD("lanyard.Agent.GetTicketNoAuth", ""), REPLY_SECONDS};
static const struct request destroy_ticket = {METHOD("lanyard.Agent.DestroyTicket", ""), REPLY_SECONDS};
static const struct request get_info = {METHOD("org.varlink.service.GetInfo", ""), REPLY_SECONDS};

/* Returns milliseconds of a clock that nobody sets. */
static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Finds this session's socket; for a program with more rights than its caller there is none. */
static bool find_agent(struct sockaddr_un *address) {
    const char *folder = secure_getenv("XDG_RUNTIME_DIR");
    if (folder == NULL || folder[0] != '/')
        return false;
    address->sun_family = AF_UNIX;
    const int size = snprintf(address->sun_path, sizeof address->sun_path, "%s/lanyard/agent", folder);
    return size > 0 && (size_t)size < sizeof address->sun_path;
}

/* Connects, to nobody but this user. While the agent's queue is full, connect() waits as SO_SNDTIMEO says. */
static DWORD connect_to(int connection, const struct sockaddr_un *address) {
    const int limit = CONNECT_SECONDS * MILLISECONDS;
    const struct timeval time = {.tv_sec = limit / 1000, .tv_usec = limit % 1000 * 1000};
    const int64_t deadline = now() + limit;
    struct ucred owner;
    socklen_t size = sizeof owner;
    int failed;
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
    do
        failed = connect(connection, (const struct sockaddr *)address, sizeof *address);
    while (failed && errno == EINTR && now() < deadline);
    if (failed)
        return errno == EAGAIN || errno == EINTR ? TCK_API_ERR_SERVER_BUSY : TCK_API_ERR_NO_SERVERFOUND;
    failed = getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &owner, &size);
    return failed || owner.uid != geteuid() ? TCK_API_ERR_NO_SERVERFOUND : TCK_API_SUCCESS;
}

/* Receives until there is a NUL, and returns the reply's code. An agent that hangs up before has ended. */
static DWORD receive_reply(int connection, struct reply *reply, int64_t deadline) {
    struct pollfd ready = {.fd = connection, .events = POLLIN};
    for (size_t size = 0; size < REPLY_SIZE;) {
        const int64_t left = deadline - now();
        const int count = poll(&ready, 1, left > 0 ? (int)left : 0);
        if (count < 0 && errno == EINTR)
            continue;
        const ssize_t got = count > 0 ? recv(connection, reply->bytes + size, REPLY_SIZE - size, MSG_DONTWAIT) : 0;
        if (got <= 0)
            return count > 0 ? TCK_API_ERR_NO_SERVERFOUND : TCK_API_ERR_SERVER_COMM_FAILED;
        if (memchr(reply->bytes + size, '\0', (size_t)got) != NULL)
            return read_reply(reply);
        size += (size_t)got;
    }
    return TCK_API_ERR_SERVER_COMM_FAILED;
}

/* Asks the agent. Returns its code, or a code of our own where it cannot be asked. */
static DWORD ask(const struct request *request, struct reply *reply) {
    const int64_t deadline = now() + request->seconds * MILLISECONDS;
    struct sockaddr_un address;
    if (!find_agent(&address))
        return TCK_API_ERR_NOT_INSTALLED;
    const int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0)
        return TCK_API_ERR_RESOURCE_ALLOCATION_FAILED;
    DWORD code = connect_to(connection, &address);
    if (code == TCK_API_SUCCESS) {
        const size_t size = strlen(request->message) + 1; /* far smaller than a new socket's buffer: sent whole */
        const bool is_sent = send(connection, request->message, size, MSG_NOSIGNAL) == (ssize_t)size;
        code = is_sent ? receive_reply(connection, reply, deadline) : TCK_API_ERR_NO_SERVERFOUND;
    }
    close(connection);
    return code;
}

/* --- Instances ---------------------------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static TCK_API_INSTANCE last_number;                     /* numbers are not used again */
static struct instance {
    TCK_API_INSTANCE number; /* 0: a free row, but the first, which is for calls without an instance */
    DWORD last_error;
    char says[SENTENCE_SIZE]; /* the agent's sentence about the last error, or "" */
} instances[ROWS];

/* Returns the first row from `row` on that has a number, or NULL. The caller holds the lock. */
static struct instance *find(size_t row, TCK_API_INSTANCE number) {
    for (; row < ROWS; row++)
        if (instances[row].number == number)
            return &instances[row];
    return NULL;
}

/* Notes how an instance's call ended, with the agent's sentence or NULL. Returns the code, or that of no instance. */
static DWORD note(TCK_API_INSTANCE number, DWORD code, const char *says) {
    if (number == 0)
        code = TCK_API_ERR_NOT_INITIALIZED;
    pthread_mutex_lock(&lock);
    struct instance *row = find(0, number);
    if (row != NULL) {
        row->last_error = code;
        strcpy(row->says, says != NULL && strlen(says) < SENTENCE_SIZE ? says : "");
    }
    pthread_mutex_unlock(&lock);
    return row != NULL ? code : TCK_API_ERR_INVALID_INSTANCE_HANDLE;
}

/* --- The functions of TicketApi.h --------------------------------------------------------------------------------- */

/* Asks the agent, and notes how that ended. */
static DWORD ask_for(TCK_API_INSTANCE instance, const struct request *request, struct reply *reply) {
    reply->code = 0;
    reply->error = reply->says = reply->ticket = reply->version = NULL;
    DWORD code = note(instance, TCK_API_SUCCESS, NULL);
    if (code != TCK_API_SUCCESS)
        return code;
    code = ask(request, reply);
    return note(instance, code, reply->says);
}

/* Copies a text into a program's buffer, or changes nothing. */
static DWORD hand_over(const char *text, char *buffer, unsigned size, unsigned *used) {
    const size_t length = strlen(text);
    if (length >= size)
        return TCK_API_ERR_BUFFER_TOO_SMALL;
    memcpy(buffer, text, length + 1);
    if (used != NULL)
        *used = (unsigned)length;
    return TCK_API_SUCCESS;
}

static int give(TCK_API_INSTANCE instance, const struct request *request, char *buffer, unsigned size, unsigned *used) {
    struct reply reply;
    if (buffer == NULL)
        return (int)note(instance, TCK_API_ERR_INVALID_PARAMETER, NULL);
    DWORD code = ask_for(instance, request, &reply);
    if (code == TCK_API_SUCCESS) {
        const bool has_ticket = reply.ticket != NULL && reply.ticket[0] != '\0';
        code = has_ticket ? hand_over(reply.ticket, buffer, size, used) : TCK_API_ERR_SERVER_COMM_FAILED;
        note(instance, code, NULL);
    }
    explicit_bzero(&reply, sizeof reply);
    return (int)code;
}

TCK_API_INSTANCE _TcktApi_Initialize(void) {
    struct sockaddr_un address;
    const bool has_session = find_agent(&address);
    pthread_mutex_lock(&lock);
    struct instance *row = has_session && last_number < INT32_MAX ? find(1, 0) : NULL;
    if (row != NULL)
        *row = (struct instance){.number = ++last_number};
    else
        instances[0].last_error = has_session ? TCK_API_ERR_RESOURCE_ALLOCATION_FAILED : TCK_API_ERR_NOT_INSTALLED;
    pthread_mutex_unlock(&lock);
    return row != NULL ? row->number : 0;
}

int _TcktApi_Finalize(TCK_API_INSTANCE instance) {
    const DWORD code = note(instance, TCK_API_SUCCESS, NULL);
    pthread_mutex_lock(&lock);
    struct instance *row = find(1, instance);
    if (row != NULL)
        row->number = 0;
    pthread_mutex_unlock(&lock);
    return (int)code;
}

int _TcktApi_getTicket(TCK_API_INSTANCE instance, char *buffer, unsigned size, unsigned *used) {
    return give(instance, &get_ticket, buffer, size, used);
}

int _TcktApi_getTicketNoAuth(TCK_API_INSTANCE instance, char *buffer, unsigned size, unsigned *used) {
    return give(instance, &get_ticket_no_auth, buffer, size, used);
}

int _TcktApi_getNewTicket(TCK_API_INSTANCE instance, char *buffer, unsigned size, unsigned *used) {
    return give(instance, &get_new_ticket, buffer, size, used);
}

int _TcktApi_destroyTicket(TCK_API_INSTANCE instance) {
    struct reply reply;
    return (int)ask_for(instance, &destroy_ticket, &reply);
}

DWORD _TcktApi_getLastError(TCK_API_INSTANCE instance) {
    pthread_mutex_lock(&lock);
    const struct instance *row = find(0, instance);
    const DWORD code = row != NULL ? row->last_error : TCK_API_ERR_INVALID_INSTANCE_HANDLE;
    pthread_mutex_unlock(&lock);
    return code;
}

int _TcktApi_getErrorDescription(TCK_API_INSTANCE instance, DWORD code, char *buffer, unsigned size, unsigned *used) {
    const struct outcome *outcome = outcome_of(code);
    if (outcome == NULL || buffer == NULL)
        return (int)TCK_API_ERR_INVALID_PARAMETER;
    pthread_mutex_lock(&lock);
    const struct instance *row = find(0, instance);
    const bool is_said = row != NULL && row->last_error == code && row->says[0] != '\0';
    code = hand_over(is_said ? row->says : outcome->sentence, buffer, size, used);
    pthread_mutex_unlock(&lock);
    return (int)code;
}

/* The agent tells its version as "1.2.3". */
DWORD _TcktApi_GetGAVersion(TCK_API_INSTANCE instance, int component) {
    struct reply reply;
    unsigned major, minor, patch;
    if (component == GATICKET_VERSION_API)
        return LIBRARY_VERSION;
    const DWORD wrong = component == GATICKET_VERSION_ENGINE ? 0 : note(instance, TCK_API_ERR_INVALID_PARAMETER, NULL);
    if (wrong || ask_for(instance, &get_info, &reply) != TCK_API_SUCCESS)
        return 0;
    if (reply.version != NULL && sscanf(reply.version, "%3u.%2u.%2u", &major, &minor, &patch) == 3)
        return major << 16 | minor << 8 | patch;
    note(instance, TCK_API_ERR_VERSION_CONFLICT, NULL);
    return 0;
}

DWORD GetDllVersion(void) { return LIBRARY_VERSION; }
int _TcktApi_isTerminalServiceSession(TCK_API_INSTANCE instance) { return 0; }

/* --- The native methods of GATicket ------------------------------------------------------------------------------- */

#ifdef WITH_JNI
#include <jni.h>
#define NATIVE(type, name) JNIEXPORT type JNICALL Java_com_gemplus_gemauth_api_GATicket_##name

/* Makes a string: JNI takes UTF-16, or a UTF-8 that is none. */
static jstring to_java(JNIEnv *env, char *text) {
    struct reader in = {.at = text};
    jchar units[REPLY_SIZE];
    jsize count = 0;
    uint32_t point;
    while (*in.at != '\0' && read_utf8(&in, &point)) {
        if (point >= 0x10000)
            units[count++] = (jchar)(0xD7C0 + (point >> 10));
        units[count++] = (jchar)(point < 0x10000 ? point : 0xDC00 + (point & 0x3FF));
    }
    jstring string = (*env)->NewString(env, units, count);
    explicit_bzero(units, sizeof units);
    return string;
}

static jstring ticket_to_java(JNIEnv *env, jlong instance, const struct request *request) {
    char ticket[REPLY_SIZE];
    if (give((TCK_API_INSTANCE)instance, request, ticket, sizeof ticket, NULL) != TCK_API_SUCCESS)
        return NULL;
    jstring string = to_java(env, ticket);
    explicit_bzero(ticket, sizeof ticket);
    return string;
}

NATIVE(jlong, initialize)(JNIEnv *env, jobject self, jlong resource) { return _TcktApi_Initialize(); }

/* Does nothing: the class has one instance for all its objects, and finalizes it whenever one of them is collected. */
NATIVE(void, finalize)(JNIEnv *env, jobject self, jlong instance) {}

NATIVE(jlong, getDllVersion)(JNIEnv *env, jobject self) { return LIBRARY_VERSION; }

/* Java counts the components from 0. */
NATIVE(jlong, getGAVersion)(JNIEnv *env, jobject self, jlong instance, jint component) {
    return _TcktApi_GetGAVersion((TCK_API_INSTANCE)instance, component < 2 ? component + 1 : 0);
}

NATIVE(jstring, getTicketBuf)(JNIEnv *env, jobject self, jlong instance) {
    return ticket_to_java(env, instance, &get_ticket);
}

NATIVE(jstring, getNewTicketBuf)(JNIEnv *env, jobject self, jlong instance) {
    return ticket_to_java(env, instance, &get_new_ticket);
}

NATIVE(jint, destroyTicket)(JNIEnv *env, jobject self, jlong instance) {
    return outcome_of((DWORD)_TcktApi_destroyTicket((TCK_API_INSTANCE)instance))->java;
}

NATIVE(jlong, getLastError)(JNIEnv *env, jobject self, jlong instance) {
    return outcome_of(_TcktApi_getLastError((TCK_API_INSTANCE)instance))->java;
}

/* Several codes are one in Java: the sentence is the last error's where that fits, and else the first code's. */
NATIVE(jstring, getErrorDescription)(JNIEnv *env, jobject self, jlong instance, jlong error) {
    char sentence[SENTENCE_SIZE] = "";
    const struct outcome *outcome = outcome_of(_TcktApi_getLastError((TCK_API_INSTANCE)instance));
    for (size_t row = 0; row < COUNT(outcomes) && outcome->java != error; row++)
        outcome = &outcomes[row];
    if (outcome->java == error)
        _TcktApi_getErrorDescription((TCK_API_INSTANCE)instance, outcome->code, sentence, sizeof sentence, NULL);
    return to_java(env, sentence);
}
#endif
