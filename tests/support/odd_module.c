/* A PKCS#11 module that is SoftHSM (SOFTHSM in the environment) but for what ODD asks for, in words:
 *   hang:FUNCTION   that function never comes back
 *   crash:FUNCTION  that function ends the process
 *   pad             the passcode is typed on the reader's own pad: C_Login takes none, and somebody types PAD there
 *   last            one try is left
 *   locked          none is
 *   combined        no mechanism that signs what was hashed before
 *   result:NUMBER   C_Sign fails with that result
 */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static CK_FUNCTION_LIST ours;
static CK_FUNCTION_LIST_PTR real;

static int odd(const char *word)
{
    const char *words = getenv("ODD");
    return words != NULL && strstr(words, word) != NULL;
}

static void misbehave(const char *function)
{
    char hang[64] = "hang:", crash[64] = "crash:";
    while (odd(strcat(hang, function)))
        pause();
    if (odd(strcat(crash, function)))
        abort();
}

static CK_RV initialize(void *arguments)
{
    misbehave("C_Initialize");
    return real->C_Initialize(arguments);
}

static CK_RV token_info(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info)
{
    misbehave("C_GetTokenInfo");
    CK_RV result = real->C_GetTokenInfo(slot, info);
    if (odd("pad"))
        info->flags |= CKF_PROTECTED_AUTHENTICATION_PATH;
    if (odd("last"))
        info->flags |= CKF_USER_PIN_FINAL_TRY;
    if (odd("locked"))
        info->flags |= CKF_USER_PIN_LOCKED;
    return result;
}

static CK_RV mechanism_info(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO_PTR info)
{
    if (odd("combined") && (type == CKM_RSA_PKCS || type == CKM_ECDSA))
        return CKR_MECHANISM_INVALID;
    return real->C_GetMechanismInfo(slot, type, info);
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG length)
{
    misbehave("C_Login");
    const char *typed = getenv("PAD");
    if (odd("pad") && length == 0 && typed != NULL)
        return real->C_Login(session, user, (CK_UTF8CHAR_PTR) typed, strlen(typed));
    return odd("pad") ? CKR_ARGUMENTS_BAD : real->C_Login(session, user, pin, length);
}

static CK_RV sign_init(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key)
{
    if (odd("combined") && (mechanism->mechanism == CKM_RSA_PKCS || mechanism->mechanism == CKM_ECDSA))
        return CKR_MECHANISM_INVALID;
    return real->C_SignInit(session, mechanism, key);
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG length, CK_BYTE_PTR out, CK_ULONG_PTR size)
{
    misbehave("C_Sign");
    if (odd("result:"))
        return strtoul(strstr(getenv("ODD"), "result:") + 7, NULL, 0);
    return real->C_Sign(session, data, length, out, size);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list)
{
    misbehave("C_GetFunctionList");
    void *module = dlopen(getenv("SOFTHSM"), RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = module ? (CK_C_GetFunctionList) dlsym(module, "C_GetFunctionList") : NULL;
    if (get == NULL || get(&real) != CKR_OK)
        return CKR_GENERAL_ERROR;
    ours = *real;
    ours.C_GetFunctionList = C_GetFunctionList;
    ours.C_Initialize = initialize;
    ours.C_GetTokenInfo = token_info;
    ours.C_GetMechanismInfo = mechanism_info;
    ours.C_Login = login;
    ours.C_SignInit = sign_init;
    ours.C_Sign = sign;
    *list = &ours;
    return CKR_OK;
}
