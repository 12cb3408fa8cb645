//! Reports as `JUnit` XML, which continuous integration reads.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::report::FileReport;

/// All reports as one `JUnit` document: a suite a file, a case a test.
pub fn to_junit(files: &[FileReport]) -> Result<String, std::io::Error> {
    let mut report = Report::new("pawl test");
    for file in files {
        let mut suite = TestSuite::new(file.file.as_str());
        for test in &file.tests {
            let lines = test.lines(&file.file);
            let status = if test.passed() {
                TestCaseStatus::success()
            } else {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(lines.first().map_or("", String::as_str));
                status.set_description(lines.join("\n"));
                status
            };
            let mut case = TestCase::new(test.name.as_str(), status);
            case.set_classname(file.file.as_str());
            case.set_time(test.took);
            suite.add_test_case(case);
        }
        report.add_test_suite(suite);
    }
    report.to_string().map_err(std::io::Error::other)
}
