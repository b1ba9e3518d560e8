/* A PC/SC driver (ifdhandler.h) of SLOTS readers that never have a card. */
#include <PCSC/ifdhandler.h>

RESPONSECODE IFDHCreateChannel(DWORD lun, DWORD channel) { return IFD_SUCCESS; }
RESPONSECODE IFDHCreateChannelByName(DWORD lun, LPSTR name) { return IFD_SUCCESS; }
RESPONSECODE IFDHCloseChannel(DWORD lun) { return IFD_SUCCESS; }
RESPONSECODE IFDHICCPresence(DWORD lun) { return IFD_ICC_NOT_PRESENT; }

RESPONSECODE IFDHGetCapabilities(DWORD lun, DWORD tag, PDWORD length, PUCHAR value) {
    if (tag != TAG_IFD_SLOTS_NUMBER && tag != TAG_IFD_SIMULTANEOUS_ACCESS)
        return IFD_ERROR_TAG;
    *length = 1;
    *value = tag == TAG_IFD_SLOTS_NUMBER ? SLOTS : 1;
    return IFD_SUCCESS;
}

RESPONSECODE IFDHSetCapabilities(DWORD lun, DWORD tag, DWORD length, PUCHAR value) { return IFD_NOT_SUPPORTED; }

RESPONSECODE IFDHSetProtocolParameters(DWORD lun, DWORD protocol, UCHAR flags, UCHAR a, UCHAR b, UCHAR c) {
    return IFD_NOT_SUPPORTED;
}

RESPONSECODE IFDHPowerICC(DWORD lun, DWORD action, PUCHAR atr, PDWORD length) {
    *length = 0;
    return IFD_ERROR_POWER_ACTION;
}

RESPONSECODE IFDHTransmitToICC(DWORD lun, SCARD_IO_HEADER send, PUCHAR sent, DWORD size, PUCHAR received,
                               PDWORD length, PSCARD_IO_HEADER receive) {
    *length = 0;
    return IFD_COMMUNICATION_ERROR;
}

RESPONSECODE IFDHControl(DWORD lun, DWORD code, PUCHAR sent, DWORD size, PUCHAR received, DWORD space, LPDWORD length) {
    *length = 0;
    return IFD_NOT_SUPPORTED;
}
